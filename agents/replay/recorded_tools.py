"""Tools that answer from a recording: a call with a recorded name and arguments gets its recorded result.

Nothing runs, no person is asked, and the turn ends where the recording has no such call. Equal calls are answered in
their recorded order; a further one gets the last answer again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from agents.errors import TurnStopped
from agents.middleware.pipeline.exchange import Reply, Request
from agents.middleware.pipeline.middleware import Middleware, ToolRun
from agents.middleware.pipeline.turn_context import TurnContext
from agents.replay.comparison import canonical
from agents.replay.said import NOT_RECORDED, CallMade
from agents.tools import Tool, ToolOutcome
from agents.turn.commands import RunTool
from agents.turn.inputs import ProposedCall

MISSING_RESULT = "[cancelled]"
MAX_SHOWN = 500


@dataclass(frozen=True, slots=True)
class RecordedCalls:
    """The calls of a conversation, by tool and arguments; the results of equal ones are in their order."""

    results: Mapping[str, Sequence[CallMade]]

    @classmethod
    def of(cls, calls: Iterable[CallMade]) -> "RecordedCalls":
        """From the calls in the order of the log; one without a result was never made."""
        results: dict[str, list[CallMade]] = {}
        for call in calls:
            if call.status is not None:
                results.setdefault(key_of(call.name, call.arguments), []).append(call)
        return cls(results)

    def find(self, key: str, number: int) -> CallMade | None:
        """The recorded call that answers the one with this key before which there were `number` equal ones."""
        known = self.results.get(key)
        return None if not known else known[min(number, len(known) - 1)]


def key_of(name: str, arguments: Mapping[str, Any]) -> str:
    """Equal for calls of one tool with equal arguments."""
    return f"{name} {canonical(arguments)}"


class RecordedTools(Middleware):
    """Stands before all other middleware of the agent that replays. State: how often each call was made, by its key,
    and which recorded call answers which of the last answer's calls.
    """

    def __init__(self, recorded: RecordedCalls) -> None:
        self._recorded = recorded

    async def before_model(self, request: Request, context: TurnContext) -> Request:
        """Offer each tool as one that this process runs by itself: the recording says what people decided."""
        return replace(request, tools=[_stand_in(tool) for tool in request.tools])

    async def after_model(self, reply: Reply, context: TurnContext) -> Reply:
        """Find the recorded results. Raises `TurnStopped` at a call without one."""
        made: dict[str, int] = dict(context.state.get("made", {}))
        answers: dict[str, list[Any]] = {}
        calls = [_as_server_call(call) for call in reply.calls]
        for call in calls:
            if call.refusal is not None or call.executor == "provider":
                continue
            key = key_of(call.name, call.arguments)
            found = self._recorded.find(key, made.get(key, 0))
            if found is None:
                raise TurnStopped(NOT_RECORDED, f"The recording has no call {key[:MAX_SHOWN]}.")
            answers[call.tool_call_id] = [key, made.get(key, 0)]
            made[key] = made.get(key, 0) + 1
        if answers:
            context.patch(made=made, answers=answers)
        return replace(reply, calls=calls)

    async def run_tool(self, command: RunTool, run: ToolRun, context: TurnContext) -> ToolOutcome:
        """The recorded result, in the place of the tool."""
        key, number = context.state["answers"][command.call.tool_call_id]
        found = self._recorded.find(key, number)
        assert found is not None
        content = MISSING_RESULT if found.result is None else found.result
        shown = content if isinstance(content, str) else [dict(block) for block in content]
        return ToolOutcome(shown, "ok" if found.status == "ok" else "error")


def _stand_in(tool: Tool) -> Tool:
    if tool.executor == "provider":
        return tool
    return replace(tool, executor="server", approval="auto", trust="auto", approvers=(), decisions=(), form=None)


def _as_server_call(call: ProposedCall) -> ProposedCall:
    """The call without what other middleware has asked people for."""
    return call if call.executor == "provider" else replace(call, executor="server", approval="auto", approvers=())

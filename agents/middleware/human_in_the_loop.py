"""Puts people in front of tools: the calls it names wait for a decision, whatever the tools themselves demand."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, get_args

from agents.errors import AgentDefinitionError
from agents.middleware.pipeline.middleware import Middleware
from agents.middleware.pipeline.reply import Reply
from agents.middleware.pipeline.turn_context import TurnContext
from agents.turn.events import Decision
from agents.turn.inputs import ProposedCall

if TYPE_CHECKING:
    from agents.agent import Agent

DECISIONS: tuple[Decision, ...] = get_args(Decision)
GATEABLE = ("server", "client")


class HumanInTheLoop(Middleware):
    """`interrupt_on` names tools: True gates their calls, a list of decisions gates them and allows only those.

    It only ever adds to what the tools demand: False changes nothing, and a decision that the tool forbids stays
    forbidden. The names of MCP servers' tools (`server__tool`) are not checked, for they are known later.
    """

    def __init__(self, interrupt_on: Mapping[str, bool | Sequence[Decision]]) -> None:
        self._allowed: dict[str, Sequence[Decision]] = {
            name: DECISIONS if wish is True else tuple(wish) for name, wish in interrupt_on.items() if wish is not False
        }

    def init(self, agent: "Agent") -> None:
        for name, allowed in self._allowed.items():
            if (problem := self._problem(agent, name, allowed)) is not None:
                raise AgentDefinitionError(agent.name, f"{self.name} cannot gate {name}: {problem}")

    async def after_model(self, reply: Reply, context: TurnContext) -> Reply:
        return replace(reply, calls=[self._gated(call) for call in reply.calls])

    def _gated(self, call: ProposedCall) -> ProposedCall:
        allowed = self._allowed.get(call.name)
        if allowed is None or call.executor not in GATEABLE:
            return call
        decisions = _both(call.decisions, allowed)
        if not decisions:
            words = f"{call.name} needs an approval, but its definition allows no decision about it."
            return replace(call, refusal=call.refusal or words)
        return replace(call, approval="required", decisions=decisions)

    def _problem(self, agent: "Agent", name: str, allowed: Sequence[Decision]) -> str | None:
        if strange := [decision for decision in allowed if decision not in DECISIONS]:
            return f"{strange[0]!r} is none of {', '.join(DECISIONS)}"
        if not allowed:
            return "at least one decision must be allowed"
        if "__" in name:
            return None
        tool = agent.tool(name)
        if tool is None:
            return "there is no such tool"
        if tool.executor not in GATEABLE:
            return f"approval is legal for server and client only, not for {tool.executor}"
        if not _both(tool.decisions, allowed):
            return f"the tool itself allows only {', '.join(tool.decisions)}"
        return None


def _both(own: Sequence[Decision], allowed: Sequence[Decision]) -> list[Decision]:
    """The decisions that tool and middleware allow; a tool that names none allows all."""
    return [decision for decision in (own or DECISIONS) if decision in allowed]

"""HumanInTheLoop: calls of the tools it names wait for a person's decision, whatever the tools themselves require."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, get_args

from agents.definition_checks import approver_problems, check_middleware, list_problems, shown
from agents.errors import AgentDefinitionError
from agents.middleware.pipeline.exchange import Reply
from agents.middleware.pipeline.middleware import Middleware
from agents.middleware.pipeline.turn_context import TurnContext
from agents.turn.approvers import Approver, join_approvers, read_approvers
from agents.turn.events import Decision
from agents.turn.inputs import ProposedCall

if TYPE_CHECKING:
    from agents.agent import Agent

DECISIONS: tuple[Decision, ...] = get_args(Decision)
APPROVABLE = ("server", "client")


class HumanInTheLoop(Middleware):
    """`interrupt_on` names tools: True requires an approval of their calls, a list also restricts the decisions.

    It only adds to what the tools require: False changes nothing, and a decision that the tool forbids stays
    forbidden. The names of MCP servers' tools (`server__tool`) are not checked: they become known later. Calls of
    sub-agents wait as well, so it may name a tool that only a sub-agent has. `approvers` says who may decide about
    these calls, beside what their tools ask for.
    """

    inherited = True

    def __init__(
        self,
        interrupt_on: Mapping[str, bool | Sequence[Decision]],
        approvers: Approver | Sequence[Approver] | None = None,
    ) -> None:
        check_middleware("HumanInTheLoop", _problems_of(interrupt_on), approver_problems(approvers))
        self._approvers = read_approvers(approvers)
        self._allowed: dict[str, Sequence[Decision]] = {
            name: DECISIONS if wanted is True else tuple(wanted)
            for name, wanted in interrupt_on.items()
            if wanted is not False
        }

    def init(self, agent: "Agent") -> None:
        for name, allowed in self._allowed.items():
            if (problem := self._problem(agent, name, allowed)) is not None:
                raise AgentDefinitionError(agent.name, f"{self.name} cannot gate {name}: {problem}")

    async def after_model(self, reply: Reply, context: TurnContext) -> Reply:
        return replace(reply, calls=[self._require_approval(call) for call in reply.calls])

    def _require_approval(self, call: ProposedCall) -> ProposedCall:
        allowed = self._allowed.get(call.name)
        if allowed is None or call.executor not in APPROVABLE:
            return call
        decisions = _allowed_by_both(call.decisions, allowed)
        if not decisions:
            words = f"{call.name} needs an approval, but its definition allows no decision about it."
            return replace(call, refusal=call.refusal or words)
        approvers = join_approvers(call.approvers, self._approvers)
        return replace(call, approval="required", decisions=decisions, approvers=approvers)

    def _problem(self, agent: "Agent", name: str, allowed: Sequence[Decision]) -> str | None:
        if unknown := [decision for decision in allowed if decision not in DECISIONS]:
            return f"{unknown[0]!r} is none of {', '.join(DECISIONS)}"
        if not allowed:
            return "at least one decision must be allowed"
        if "__" in name:
            return None
        tool = agent.tool(name) or agent.tool_below(name)
        if tool is None:
            return "there is no such tool"
        if tool.executor not in APPROVABLE:
            return f"approval is legal for server and client only, not for {tool.executor}"
        if not _allowed_by_both(tool.decisions, allowed):
            return f"the tool itself allows only {', '.join(tool.decisions)}"
        return None


def _problems_of(interrupt_on: object) -> Iterator[str]:
    if not isinstance(interrupt_on, Mapping):
        yield f"interrupt_on is a mapping from names of tools to True or a list of decisions, not {shown(interrupt_on)}"
        return
    for name, wanted in interrupt_on.items():
        if not isinstance(wanted, bool):
            yield from list_problems(f"interrupt_on[{name!r}]", wanted, "decisions, or True")


def _allowed_by_both(own: Sequence[Decision], allowed: Sequence[Decision]) -> list[Decision]:
    """The decisions that both the tool and the middleware allow; a tool that names none allows all."""
    return [decision for decision in (own or DECISIONS) if decision in allowed]

"""What the log says, folded: the durable half of a conversation, the same for live and replayed events."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from agents.turn.events import (
    AssistantMsg,
    Event,
    Logged,
    Resolution,
    Suspension,
    ToolCall,
    ToolResult,
    TurnEnded,
    UserMsg,
)
from agents.turn.states import State


@dataclass(frozen=True, slots=True)
class OpenCall:
    """A tool call without its result: dispatched, or waiting for the outside under `suspension`."""

    call: ToolCall
    arguments: Mapping[str, Any]
    suspension: Suspension | None = None
    approver: str | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """The fold of a log.

    `turn` is the number of the newest turn that began, `running` whether it still lacks its end, `step` how
    many model answers it has. `queued` counts the messages held for the next turn, `steered_to` is the step
    that the newest steering message waits for. `self_started` counts turns in a row begun by the agent.
    """

    last_seq: int = 0
    turn: int = 0
    running: bool = False
    step: int = 0
    calls: Mapping[str, OpenCall] = field(default_factory=dict)
    queued: int = 0
    queued_by: Literal["user", "agent"] = "agent"
    queued_principal: str | None = None
    steered_to: int = 0
    principal: str | None = None
    self_started: int = 0

    @property
    def suspended(self) -> Mapping[str, OpenCall]:
        """The open calls that wait for the outside, by id."""
        return {key: call for key, call in self.calls.items() if call.suspension is not None}

    @property
    def dispatched(self) -> Mapping[str, OpenCall]:
        """The open calls that somebody of ours should be executing, by id."""
        return {key: call for key, call in self.calls.items() if call.suspension is None}

    @property
    def phase(self) -> State:
        """The state in which a fresh incarnation takes up this log."""
        if not self.running:
            return State.IDLE
        if not self.calls:
            return State.PREPARING
        return State.EXECUTING_TOOLS if self.dispatched else State.AWAITING_INPUT

    @property
    def next_expiry(self) -> int | None:
        """When the earliest pending suspension runs out, in ms since the epoch."""
        waiting = (call.suspension for call in self.suspended.values())
        return min((s.expires_at for s in waiting if s and s.expires_at is not None), default=None)


def fold(log: Iterable[Logged]) -> Facts:
    """Replay `log` (ascending, without gaps) from nothing."""
    facts = Facts()
    for logged in log:
        facts = apply(facts, logged.event, logged.seq)
    return facts


def apply(facts: Facts, event: Event, seq: int) -> Facts:
    """The only door by which an event changes what is known."""
    return replace(_applied(facts, event), last_seq=seq)


def _applied(facts: Facts, event: Event) -> Facts:
    match event:
        case UserMsg():
            return _accept(facts, event)
        case AssistantMsg():
            return replace(facts, step=event.step)
        case ToolCall():
            return _with_call(facts, OpenCall(event, event.arguments))
        case Suspension():
            return _with_call(facts, replace(facts.calls[event.tool_call_id], suspension=event))
        case Resolution():
            return _with_call(facts, _resolved(facts.calls[event.tool_call_id], event))
        case ToolResult():
            left = {key: call for key, call in facts.calls.items() if key != event.tool_call_id}
            return replace(facts, calls=left)
        case TurnEnded():
            return _end(facts)


def _accept(facts: Facts, message: UserMsg) -> Facts:
    if facts.running and message.turn == facts.turn:
        return replace(facts, steered_to=message.step)
    by_user = message.origin == "user" or (facts.queued > 0 and facts.queued_by == "user")
    waiting = replace(
        facts,
        queued=facts.queued + 1,
        queued_by="user" if by_user else "agent",
        queued_principal=message.principal,
    )
    return waiting if facts.running else _begin(waiting)


def _begin(facts: Facts) -> Facts:
    """The messages that waited become one turn."""
    return replace(
        facts,
        turn=facts.turn + 1,
        running=True,
        step=0,
        principal=facts.queued_principal,
        self_started=facts.self_started + 1 if facts.queued_by == "agent" else 0,
        queued=0,
        queued_by="agent",
        queued_principal=None,
    )


def _end(facts: Facts) -> Facts:
    ended = replace(facts, running=False, calls={}, steered_to=0)
    return _begin(ended) if ended.queued else ended


def _with_call(facts: Facts, call: OpenCall) -> Facts:
    return replace(facts, calls={**facts.calls, call.call.tool_call_id: call})


def _resolved(call: OpenCall, resolution: Resolution) -> OpenCall:
    arguments = call.arguments if resolution.arguments is None else resolution.arguments
    return replace(call, arguments=arguments, suspension=None, approver=resolution.principal)

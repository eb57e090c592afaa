"""The fold of the log: the durable half of a conversation, the same for live and for replayed events."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, get_args

from agents.turn.events import (
    AssistantMsg,
    Delivered,
    Event,
    Logged,
    Origin,
    Resolution,
    StatePatch,
    Summary,
    Suspension,
    ToolCall,
    ToolResult,
    TurnEnded,
    UserMsg,
)
from agents.turn.states import State

RANK: Final[tuple[Origin, ...]] = get_args(Origin)
"""Messages of several origins that become one turn count as those of the last of these."""


@dataclass(frozen=True, slots=True)
class OpenCall:
    """A tool call without its result: it runs, or it waits for the outside under `suspension`.

    `question` is the seq of its newest suspension, `asked` that of its first. `interrupted`: the running tool has asked
    people something; `resolution` is the answer to its last question.
    """

    call: ToolCall
    arguments: Mapping[str, Any]
    suspension: Suspension | None = None
    approver: str | None = None
    interrupted: bool = False
    resolution: Resolution | None = None
    question: int = 0
    asked: int = 0


@dataclass(frozen=True, slots=True)
class WaitingTurn:
    """The messages that are held for the `turn` that they begin together: one person's, who acts in it.

    Logs of earlier code have several persons' in one turn: there `principal` is the last one of the `speakers`.
    """

    turn: int
    messages: int = 0
    by: Origin = "agent"
    principal: str | None = None
    speakers: tuple[str, ...] = ()
    model: str | None = None

    def joined_by(self, message: UserMsg) -> "WaitingTurn":
        return WaitingTurn(
            turn=self.turn,
            messages=self.messages + 1,
            by=max(self.by, message.origin, key=RANK.index),
            principal=message.principal,
            speakers=_with_speaker(self.speakers, message),
            model=message.model or self.model,
        )


@dataclass(frozen=True, slots=True)
class Facts:
    """The fold of a log.

    `turn` is the number of the newest turn that began, `running` whether it has not ended yet, `step` how many
    answers of the model it has. `waiting` are the turns to come, in their order, `steered_to` is the step that the
    newest steering message waits for, `steered` how many of them came since the last answer. `self_started` counts
    the turns in a row that the agent began itself; `begun_by` says who began the one that runs. `speakers` are the
    principals of the turn's messages, `principal` is the one who acts in it, `model` the newest choice of a model in
    them. `cut_off` counts the answers in a row that ended at `max_tokens`.
    `achieved`: a call of the last answer has succeeded, so that the model may end the turn without a word.

    `final`: the model is not asked again once the open calls have their results. `state` is the durable state of the
    middleware, by name. `usage` are the totals of the conversation: tokens by kind, and `cost`;
    `turn_usage` those of the running turn. `summarised` is the newest turn that a summary covers.
    """

    last_seq: int = 0
    turn: int = 0
    running: bool = False
    step: int = 0
    calls: Mapping[str, OpenCall] = field(default_factory=dict)
    begun_by: Origin = "user"
    waiting: tuple[WaitingTurn, ...] = ()
    speakers: tuple[str, ...] = ()
    steered_to: int = 0
    steered: int = 0
    cut_off: int = 0
    achieved: bool = False
    principal: str | None = None
    model: str | None = None
    self_started: int = 0
    final: bool = False
    state: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    usage: Mapping[str, int] = field(default_factory=dict)
    turn_usage: Mapping[str, int] = field(default_factory=dict)
    summarised: int = 0

    @property
    def queued(self) -> int:
        """How many messages are held for turns to come."""
        return sum(turn.messages for turn in self.waiting)

    def turn_to_join(self, principal: str | None) -> int:
        """The turn of a message of this principal that is held now.

        It goes with the last one that waits if that is the same person's: a turn has the rights of one person, and no
        message overtakes another.
        """
        if not self.waiting:
            return self.turn + 1
        last = self.waiting[-1]
        return last.turn if last.principal == principal else last.turn + 1

    @property
    def suspended(self) -> Mapping[str, OpenCall]:
        """The open calls that wait for the outside, by id."""
        return {key: call for key, call in self.calls.items() if call.suspension is not None}

    @property
    def dispatched(self) -> Mapping[str, OpenCall]:
        """The open calls that this service should be executing, by id."""
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


def fold(log: Iterable[Logged], base: Facts | None = None) -> Facts:
    """Replay `log` (ascending, without gaps) from nothing, or from the `base` before it."""
    facts = base or Facts()
    for logged in log:
        facts = apply(facts, logged.event, logged.seq)
    return facts


def apply(facts: Facts, event: Event, seq: int) -> Facts:
    """The facts after `event`; live and replayed events both pass here, and nothing else changes facts."""
    return replace(_applied(facts, event, seq), last_seq=seq)


def _applied(facts: Facts, event: Event, seq: int) -> Facts:
    match event:
        case UserMsg():
            return _with_message(facts, event)
        case AssistantMsg():
            return _answered(facts, event)
        case ToolCall():
            final = facts.final and event.source is not None
            return _with_call(replace(facts, final=final), OpenCall(event, event.arguments))
        case Suspension() | Resolution():
            return _with_call(facts, _asked_or_answered(facts.calls[event.tool_call_id], event, seq))
        case ToolResult():
            return _without_call(facts, event)
        case TurnEnded():
            return _end(facts)
        case StatePatch():
            return replace(facts, state={**facts.state, event.source: _patched(facts, event)})
        case Summary():
            return replace(facts, summarised=event.through_turn)
        case Delivered():
            return facts  # it changes what the model is shown, and nothing that is decided


def _with_message(facts: Facts, message: UserMsg) -> Facts:
    if facts.running and message.turn == facts.turn:
        speakers, model = _with_speaker(facts.speakers, message), message.model or facts.model
        return replace(facts, steered_to=message.step, steered=facts.steered + 1, speakers=speakers, model=model)
    joins = facts.waiting and facts.waiting[-1].turn == message.turn
    earlier, last = (facts.waiting[:-1], facts.waiting[-1]) if joins else (facts.waiting, WaitingTurn(message.turn))
    held = replace(facts, waiting=(*earlier, last.joined_by(message)))
    return held if facts.running else _begin(held)


def _with_speaker(speakers: tuple[str, ...], message: UserMsg) -> tuple[str, ...]:
    new = message.principal is not None and message.principal not in speakers
    return (*speakers, str(message.principal)) if new else speakers


def _begin(facts: Facts) -> Facts:
    """The first turn that waits begins."""
    first, *others = facts.waiting
    return replace(
        facts,
        turn=first.turn,
        running=True,
        step=0,
        principal=first.principal,
        model=first.model,
        self_started=facts.self_started + 1 if first.by == "agent" else 0,
        begun_by=first.by,
        waiting=tuple(others),
        speakers=first.speakers,
    )


def _answered(facts: Facts, answer: AssistantMsg) -> Facts:
    usage, turn_usage = add_usage(facts.usage, answer), add_usage(facts.turn_usage, answer)
    cut_off = facts.cut_off + 1 if answer.stop_reason == "max_tokens" else 0
    final = answer.stop_reason != "pause_turn"
    return replace(
        facts,
        step=answer.step,
        steered=0,
        cut_off=cut_off,
        achieved=False,
        final=final,
        usage=usage,
        turn_usage=turn_usage,
    )


def add_usage(total: Mapping[str, int], answer: AssistantMsg) -> Mapping[str, int]:
    """The totals with what one answer used."""
    counted = {**answer.usage, **({} if answer.cost is None else {"cost": answer.cost})}
    return {kind: total.get(kind, 0) + counted.get(kind, 0) for kind in (*total, *counted)}


def _patched(facts: Facts, event: StatePatch) -> Mapping[str, Any]:
    merged = {**facts.state.get(event.source, {}), **event.patch}
    return {key: value for key, value in merged.items() if value is not None}


def _end(facts: Facts) -> Facts:
    ended = replace(
        facts,
        running=False,
        begun_by="user",
        calls={},
        speakers=(),
        steered_to=0,
        steered=0,
        cut_off=0,
        achieved=False,
        final=False,
        turn_usage={},
    )
    return _begin(ended) if ended.waiting else ended


def _with_call(facts: Facts, call: OpenCall) -> Facts:
    return replace(facts, calls={**facts.calls, call.call.tool_call_id: call})


def _without_call(facts: Facts, result: ToolResult) -> Facts:
    left = {key: call for key, call in facts.calls.items() if key != result.tool_call_id}
    call, succeeded = facts.calls[result.tool_call_id].call, result.status == "ok"
    achieved = facts.achieved or (succeeded and call.source is None)
    return replace(facts, calls=left, achieved=achieved, final=facts.final or (succeeded and call.ends_turn))


def _asked_or_answered(call: OpenCall, event: Suspension | Resolution, seq: int) -> OpenCall:
    return suspend_call(call, event, seq) if isinstance(event, Suspension) else resolve_call(call, event)


def suspend_call(call: OpenCall, suspension: Suspension, seq: int) -> OpenCall:
    """The call as it waits under the suspension that is logged at `seq`."""
    interrupted = call.interrupted or suspension.resumes
    asked = call.asked or seq
    return replace(call, suspension=suspension, interrupted=interrupted, resolution=None, question=seq, asked=asked)


def resolve_call(call: OpenCall, resolution: Resolution) -> OpenCall:
    """The call as it goes on with the answer."""
    if call.suspension is not None and call.suspension.resumes:
        answer = None if resolution.decision == "expire" else resolution
        return replace(call, suspension=None, resolution=answer)
    arguments = call.arguments if resolution.arguments is None else resolution.arguments
    return replace(call, arguments=arguments, suspension=None, approver=resolution.principal)

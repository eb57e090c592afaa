"""What an append of events has to tell the feed: a pure function of the events and the facts before them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from agents.turn import Event, Facts
from agents.turn.events import (
    AssistantMsg,
    Resolution,
    Suspension,
    ToolCall,
    ToolResult,
    TurnEnded,
    UserMsg,
    arguments_hash,
)
from agents.turn.facts import add_usage
from store.feed.entry import Notice

MAX_PROMPT_CHARACTERS = 1000
"""Of a longer question the feed has the beginning; the log has all of it."""


def notices(before: Facts, events: Sequence[Event], agent: str) -> list[Notice]:
    """The notices in the order in which it happened; `before` are the facts before the first of the events.

    Their types and the keys of their data are listed in `store/feed/types.py`. Empty for most appends in mid-turn.
    """
    told: list[Notice] = []
    turns = _Turns(before)
    for event in events:
        match event:
            case UserMsg():
                told += turns.start(event, agent)
            case AssistantMsg():
                turns.usage = add_usage(turns.usage, event)
            case TurnEnded():
                told.append(("turn_ended", _ended(event, turns.usage)))
                told += turns.end(agent)
            case ToolCall() | Suspension() | Resolution() | ToolResult():
                told += _of_call(before, events, event)
    return told


class _Turns:
    """What the facts know of the turns, without the rest: a fold of all of it costs more than all that the feed costs.

    A test compares the two on any log.
    """

    def __init__(self, facts: Facts) -> None:
        self.usage = facts.turn_usage
        self._turn = facts.turn
        self._running = facts.running
        self._senders = {waiting.turn: waiting.principal for waiting in facts.waiting}

    def start(self, message: UserMsg, agent: str) -> Iterator[Notice]:
        """A message begins a turn, or waits for its own, or steers the one that runs."""
        if self._running and message.turn == self._turn:
            return
        self._senders[message.turn] = message.principal
        if not self._running:
            yield self._begin(agent)

    def end(self, agent: str) -> Iterator[Notice]:
        """The messages that have waited longest begin the next one."""
        self._running, self.usage = False, {}
        if self._senders:
            yield self._begin(agent)

    def _begin(self, agent: str) -> Notice:
        self._turn, self._running = min(self._senders), True
        return "turn_started", {"turn": self._turn, "principal": self._senders.pop(self._turn), "agent": agent}


def _of_call(
    before: Facts, events: Sequence[Event], event: ToolCall | Suspension | Resolution | ToolResult
) -> Iterator[Notice]:
    """What an event of a call has to tell; the call may be one of the same events."""
    key = event.tool_call_id
    match event:
        case ToolCall():
            yield "tool_called", _called(event)
        case Suspension():
            yield "question_asked", _asked(event, _call_of(before, events, key))
        case Resolution(decision="expire"):
            yield "question_expired", {"tool_call_id": key}
        case Resolution():
            yield "question_answered", _answered(event)
        case ToolResult():
            if event.status == "timeout" and _waits(before, events, event):
                yield "question_expired", {"tool_call_id": key}
            yield "tool_finished", _finished(event, _call_of(before, events, key))


def _call_of(before: Facts, events: Sequence[Event], key: str) -> ToolCall:
    called = (event for event in events if isinstance(event, ToolCall) and event.tool_call_id == key)
    return next(called, None) or before.calls[key].call


def _waits(before: Facts, events: Sequence[Event], result: ToolResult) -> bool:
    """Whether the call waited for an answer when it got its result."""
    key, waits = result.tool_call_id, result.tool_call_id in before.suspended
    for event in events:
        if event is result:
            break
        if isinstance(event, Suspension | Resolution) and event.tool_call_id == key:
            waits = isinstance(event, Suspension)
    return waits


def _called(call: ToolCall) -> Mapping[str, Any]:
    return {
        "turn": call.turn,
        "tool_call_id": call.tool_call_id,
        "name": call.name,
        "arguments_hash": arguments_hash(call.arguments),
        "executor": call.executor,
        "approval": call.approval,
        "trust": call.trust,
        "principal": call.principal,
    }


def _asked(question: Suspension, call: ToolCall) -> Mapping[str, Any]:
    prompt = question.prompt
    return {
        "turn": question.turn,
        "tool_call_id": question.tool_call_id,
        "kind": question.kind,
        "name": call.name,
        "prompt": prompt if len(prompt) <= MAX_PROMPT_CHARACTERS else prompt[: MAX_PROMPT_CHARACTERS - 1] + "…",
        "approvers": list(question.approvers),
        "expires_at": question.expires_at,
    }


def _answered(answer: Resolution) -> Mapping[str, Any]:
    return {
        "tool_call_id": answer.tool_call_id,
        "decision": answer.decision,
        "principal": answer.principal,
        "arguments_hash": None if answer.arguments is None else arguments_hash(answer.arguments),
    }


def _finished(result: ToolResult, call: ToolCall) -> Mapping[str, Any]:
    return {
        "turn": result.turn,
        "tool_call_id": result.tool_call_id,
        "name": call.name,
        "status": result.status,
        "principal": result.principal,
    }


def _ended(end: TurnEnded, usage: Mapping[str, int]) -> Mapping[str, Any]:
    tokens = {kind: count for kind, count in usage.items() if kind != "cost"}
    return {
        "turn": end.turn,
        "outcome": end.outcome,
        "reason": end.reason,
        "usage": tokens,
        "cost": usage.get("cost"),
    }

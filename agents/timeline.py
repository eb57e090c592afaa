"""What happened in a turn, as its log tells: when each part of it began and ended, with whom, and what it took."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from agents.turn.events import (
    AssistantMsg,
    Delivered,
    Event,
    Logged,
    Resolution,
    StatePatch,
    Summary,
    Suspension,
    ToolCall,
    ToolResult,
    TurnEnded,
    UserMsg,
)

Kind = Literal["message", "model_call", "tool_call", "question", "summary", "end"]
MAX_TITLE_CHARACTERS = 200


@dataclass(slots=True)
class Part:
    """A part of a turn; times are ms since the epoch. `ended_at` is None while it is under way.

    `incarnation` counts the ones that wrote to this turn, from 1; None if it is not known. `within` is the tool call
    that a question belongs to. `waited_ms` is for how long a call waited for the outside. `cost` is in millionths of a
    US dollar.
    """

    kind: Kind
    name: str
    began_at: int
    ended_at: int | None
    status: str
    seq: int
    by: str | None = None
    incarnation: int | None = None
    tool_call_id: str | None = None
    within: str | None = None
    usage: Mapping[str, int] = field(default_factory=dict)
    cost: int | None = None
    waited_ms: int = 0
    turn: "Timeline | None" = None
    """The turn of the sub-agent that works for this call."""

    def body(self, now: int) -> dict[str, Any]:
        """As JSON."""
        own = {each.name: getattr(self, each.name) for each in fields(self)}
        return {**own, "usage": dict(self.usage), "turn": None if self.turn is None else self.turn.body(now)}


class Timeline:
    """Of one turn of a conversation: give it the turn's events in their order, each with the epoch of its writer."""

    def __init__(self, conversation_id: str, agent: str, turn: int) -> None:
        self.conversation_id = conversation_id
        self.agent = agent
        self.turn = turn
        self.parts: list[Part] = []
        self.is_cut = False
        """Whether the turn has more events than are told of."""
        self._calls: dict[str, Part] = {}
        self._questions: dict[str, Part] = {}
        self._epochs: list[int] = []
        self._ended: tuple[int, TurnEnded] | None = None
        self._last_at = 0

    @property
    def has_ended(self) -> bool:
        return self._ended is not None

    def add(self, entry: Logged, epoch: int | None) -> None:
        """The next event of the turn."""
        if epoch is not None and epoch not in self._epochs:
            self._epochs.append(epoch)
        incarnation = None if epoch is None else self._epochs.index(epoch) + 1
        part = self._part(entry.event, entry)
        if part is not None:
            part.incarnation = incarnation
            self.parts.append(part)
        if not isinstance(entry.event, StatePatch | Summary | Delivered):
            self._last_at = entry.at

    def add_under_way(self, waits_for: Mapping[str, str]) -> None:
        """What the live conversation is doing now: a call of a model is in no log before its answer."""
        if waits_for["kind"] == "model" and not self.has_ended:
            last = self.parts[-1].incarnation if self.parts else None
            self.parts.append(
                Part("model_call", waits_for["name"], self._last_at, None, "under way", 0, incarnation=last)
            )

    def body(self, now: int) -> dict[str, Any]:
        """The turn as JSON; what is under way lasts until `now`, at which `as_of` says."""
        began = self.parts[0].began_at if self.parts else now
        ended_at, ended = self._ended or (None, None)
        usage: dict[str, int] = {}
        for part in self.parts:
            for name, count in part.usage.items():
                usage[name] = usage.get(name, 0) + count
        costs = [part.cost for part in self.parts if part.cost is not None]
        return {
            "conversation_id": self.conversation_id,
            "agent": self.agent,
            "turn": self.turn,
            "status": ended.outcome if ended is not None else "unfinished",
            "reason": ended.reason if ended is not None else None,
            "began_at": began,
            "ended_at": ended_at,
            "as_of": now,
            "usage": usage,
            "cost": sum(costs) if costs else None,
            "incarnations": len(self._epochs) or None,
            "is_cut": self.is_cut,
            "parts": [part.body(now) for part in self.parts],
        }

    def _part(self, event: Event, entry: Logged) -> Part | None:
        at, seq = entry.at, entry.seq
        match event:
            case UserMsg():
                return Part("message", event.origin, at, at, "accepted", seq, by=event.principal)
            case AssistantMsg():
                name = event.model or "model"
                status = event.status if event.stop_reason in (None, "end_turn", "tool_use") else event.stop_reason
                began = self._last_at or at
                assert status is not None
                return Part("model_call", name, began, at, status, seq, usage=event.usage, cost=event.cost)
            case ToolCall():
                part = Part("tool_call", event.name, at, None, "under way", seq, tool_call_id=event.tool_call_id)
                self._calls[event.tool_call_id] = part
                return part
            case Suspension():
                return self._question(event, entry)
            case Resolution() | ToolResult():
                self._end(event, at)
            case Summary():
                return Part("summary", f"of the turns up to {event.through_turn}", at, at, "kept", seq)
            case TurnEnded():
                self._ended = (at, event)
                return Part("end", event.detail or event.reason or "", at, at, event.outcome, seq, by=event.principal)
        return None

    def _question(self, event: Suspension, entry: Logged) -> Part:
        name = event.prompt[:MAX_TITLE_CHARACTERS]
        part = Part("question", name, entry.at, None, f"{event.kind}, open", entry.seq, within=event.tool_call_id)
        self._questions[event.tool_call_id] = part
        return part

    def _end(self, event: Resolution | ToolResult, at: int) -> None:
        """An answer ends its question, a result its call, and a question that nothing has answered."""
        question = self._questions.pop(event.tool_call_id, None)
        call = self._calls.get(event.tool_call_id)
        if question is not None:
            question.ended_at = at
            question.status = event.decision if isinstance(event, Resolution) else event.status
            question.by = event.principal if isinstance(event, Resolution) else None
            if call is not None:
                call.waited_ms += at - question.began_at
        if call is not None and isinstance(event, ToolResult):
            call.ended_at, call.status = at, event.status

"""The working set: the events behind the last summary, and the look-ups that new inputs are compared with."""

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

import orjson

from agents.codec import decode, encode
from agents.receipt import Receipt
from agents.turn import Event, Facts, Logged
from agents.turn.events import AssistantMsg, Resolution, Summary, Suspension, ToolCall, TurnEnded, UserMsg
from agents.turn.facts import OpenCall, apply, resolve_call, suspend_call
from agents.turn.inputs import Resolve
from agents.turn.machine import CANCELLED_BY_PERSON
from agents.turn.snapshot import restore_snapshot
from store import Record

ZLIB_LEVEL = 1
"""The fastest: records are so alike that even this level makes them six times smaller."""
DECISION_FIELDS = ("decision", "arguments", "reason", "answer", "principal")
"""What makes two decisions on one question the same."""
MAX_PACKED_EVENTS = 1000
"""Unpacking more events would hold up the other conversations of the process for too long."""


@dataclass(frozen=True, slots=True)
class QuiescentPoint:
    """A point of the log after the end of `turn` at which nothing was under way: a summary may reach up to it."""

    turn: int
    seq: int
    facts: Facts


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision that stands in the log at `seq`, and the call as it waited for it."""

    call: OpenCall
    resolution: Resolution
    seq: int

    @property
    def receipt(self) -> Receipt:
        """The answer to a repetition."""
        return Receipt(self.seq, self.resolution.turn, duplicate=True)

    def is_same(self, resolve: Resolve) -> bool:
        """Whether `resolve` decides the same question alike, in the same person's name."""
        shown = self.call.suspension.arguments_hash if self.call.suspension is not None else None
        if resolve.question not in (None, self.call.question) or resolve.arguments_hash not in (None, shown):
            return False
        return all(getattr(self.resolution, name) == getattr(resolve, name) for name in DECISION_FIELDS)


@dataclass(slots=True)
class WorkingSet:
    """The log in memory, in order.

    `tool_call_ids` are those used in it, `receipts` are by client id, `providers` have written answers in it.
    """

    logged: list[Logged] = field(default_factory=list)
    quiescent_points: list[QuiescentPoint] = field(default_factory=list)
    tool_call_ids: set[str] = field(default_factory=set)
    receipts: dict[str, Receipt] = field(default_factory=dict)
    providers: set[str] = field(default_factory=set)

    def add(self, logged: Iterable[Logged]) -> None:
        for entry in logged:
            self.logged.append(entry)
            if isinstance(entry.event, ToolCall):
                self.tool_call_ids.add(entry.event.tool_call_id)
            elif isinstance(entry.event, AssistantMsg) and entry.event.provider is not None:
                self.providers.add(entry.event.provider)
            elif isinstance(entry.event, UserMsg) and entry.event.client_id:
                self.receipts[entry.event.client_id] = Receipt(entry.seq, entry.event.turn, duplicate=True)

    def after(self, seq: int) -> "WorkingSet":
        """What is left of it without the events up to `seq`."""
        left = WorkingSet(quiescent_points=[point for point in self.quiescent_points if point.seq > seq])
        left.add(entry for entry in self.logged if entry.seq > seq)
        return left


class History:
    """The log from the last summary on, which leads from the facts `base` to `facts`.

    It can be packed while the conversation is at rest; the next access unpacks it. `is_cut`: it begins later, with the
    turn that runs or waits.
    """

    def __init__(
        self, base: Facts, summary: Summary | None = None, logged: Iterable[Logged] = (), *, is_cut: bool = False
    ) -> None:
        self.summary = summary
        self._is_cut = is_cut
        self.facts = self._base = base
        self._set: WorkingSet | None = WorkingSet()
        self._packed = b""
        self._begun = (0, 0)
        self._replay(logged)

    @property
    def is_partial(self) -> bool:
        """Whether there are older events, which only the store knows."""
        return self.summary is not None or self._is_cut

    @property
    def turn_began_at(self) -> int | None:
        """When (ms) the turn that runs or waits began, as far as the log is here; None at rest."""
        turn, at = self._begun
        return at if self.facts.running and turn == self.facts.turn else None

    @property
    def logged(self) -> Sequence[Logged]:
        return self._unpacked().logged

    @property
    def events(self) -> Sequence[Event]:
        return [entry.event for entry in self.logged]

    @property
    def quiescent_points(self) -> Sequence[QuiescentPoint]:
        return self._unpacked().quiescent_points

    @property
    def tool_call_ids(self) -> set[str]:
        return self._unpacked().tool_call_ids

    @property
    def providers(self) -> set[str]:
        """The providers that have written answers in it, as far as the log says."""
        return self._unpacked().providers

    def extend(self, logged: Sequence[Logged], facts: Facts) -> None:
        """Add what has just become durable; it leads to `facts`."""
        working_set = self._unpacked()
        working_set.add(logged)
        if facts.running and facts.turn != self._begun[0]:
            self._begun = (facts.turn, logged[-1].at)
        if not facts.running and not facts.queued and facts.turn > self._last_quiescent_turn(working_set):
            working_set.quiescent_points.append(QuiescentPoint(facts.turn, facts.last_seq, facts))
        self.facts = facts
        for entry in logged:
            if isinstance(entry.event, Summary):
                self._forget(entry.event)

    def has_asked(self, turn: int) -> bool:
        """Whether a call of this turn, which is the last or runs, has waited for the outside."""
        latest = takewhile(lambda entry: entry.event.turn >= turn, reversed(self.logged))
        return any(isinstance(entry.event, Suspension) and entry.event.turn == turn for entry in latest)

    def receipt(self, client_id: str | None) -> Receipt | None:
        """How the message with this client id was answered, if it is in the working set."""
        return None if client_id is None else self._unpacked().receipts.get(client_id)

    def cancelled(self, turn: int) -> Receipt | None:
        """The receipt of the cancel that ended this turn, if that is in the working set."""
        for entry in reversed(self.logged):
            if isinstance(entry.event, TurnEnded) and entry.event.turn == turn:
                is_cancelled = entry.event.reason == CANCELLED_BY_PERSON
                return Receipt(entry.seq, turn, duplicate=True) if is_cancelled else None
        return None

    def decisions(self, tool_call_id: str) -> Sequence[Decided]:
        """What people have decided about this call, newest first, as far as it is in the working set."""
        return decisions_in(self.logged, tool_call_id)

    def pack(self) -> None:
        """Keep the working set as compressed records, a tenth of its size, until it is used again.

        A set of more than `MAX_PACKED_EVENTS` stays as it is.
        """
        if self._set is not None and len(self._set.logged) <= MAX_PACKED_EVENTS:
            records = (orjson.dumps(encode(entry.event, entry.at)) for entry in self._set.logged)
            self._packed = zlib.compress(b"\n".join(records), ZLIB_LEVEL)
            self._set = None

    def _unpacked(self) -> WorkingSet:
        if self._set is None:
            records = zlib.decompress(self._packed).splitlines()
            self._set, self._packed, self.facts = WorkingSet(), b"", self._base
            self._replay(decode(Record(seq, data)) for seq, data in enumerate(records, self._base.last_seq + 1))
        return self._set

    def _replay(self, logged: Iterable[Logged]) -> None:
        for entry in logged:
            self.extend([entry], apply(self.facts, entry.event, entry.seq))

    def _forget(self, summary: Summary) -> None:
        """Drop what the summary stands for; the store keeps it."""
        if self.summary is not None and self.summary.after >= summary.after:
            return
        self.summary = summary
        self._base = restore_snapshot(summary.base, summary.after)
        self._set = self._unpacked().after(summary.after)

    def _last_quiescent_turn(self, working_set: WorkingSet) -> int:
        if working_set.quiescent_points:
            return working_set.quiescent_points[-1].turn
        return self.summary.through_turn if self.summary else 0


def decisions_in(logged: Iterable[Logged], tool_call_id: str) -> Sequence[Decided]:
    """What people have decided about the call that is logged there, newest first."""
    found: list[Decided] = []
    call: OpenCall | None = None
    for entry in logged:
        match entry.event:
            case ToolCall() as event if event.tool_call_id == tool_call_id:
                call = OpenCall(event, event.arguments)
            case Suspension() as event if event.tool_call_id == tool_call_id and call is not None:
                call = suspend_call(call, event, entry.seq)
            case Resolution() as event if event.tool_call_id == tool_call_id and call is not None:
                found.append(Decided(call, event, entry.seq))
                call = resolve_call(call, event)
    return found[::-1]

"""The figures of the last minutes, by slots of some seconds: each host keeps its own, and all can be added up."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from agents.clock import now_ms
from deployments.overview.histogram import bucket_of
from deployments.routing.host_reports import RecentSlot

SLOT_MS: Final = 5000
SLOTS: Final = 120
"""Ten minutes, after which an idle dedicated actor may go, with what it has counted."""


@dataclass(slots=True)
class Slot:
    """What was counted in one slot: `outcomes` of the turns that ended, durations in buckets, cost in 1e-6 dollars."""

    outcomes: Counter[str] = field(default_factory=Counter)
    first_token: Counter[int] = field(default_factory=Counter)
    turn_time: Counter[int] = field(default_factory=Counter)
    tokens: int = 0
    cost: int = 0

    @property
    def turns(self) -> int:
        """How many turns have ended."""
        return self.outcomes.total()

    def add(self, other: "Slot") -> None:
        """Count what the other slot has counted as well."""
        self.outcomes.update(other.outcomes)
        self.first_token.update(other.first_token)
        self.turn_time.update(other.turn_time)
        self.tokens += other.tokens
        self.cost += other.cost


class RecentFigures:
    """Of one process. The memory it takes is bounded, however much is counted; `clock` gives ms since 1970."""

    def __init__(self, clock: Callable[[], int] = now_ms) -> None:
        self._clock = clock
        self._slots: dict[int, Slot] = {}

    def note_turn(self, outcome: str, seconds: float, *, waited: bool) -> None:
        """A turn has ended; one that has waited for people says nothing of how long turns take."""
        slot = self._current()
        slot.outcomes[outcome] += 1
        if not waited:
            slot.turn_time[bucket_of(seconds * 1000)] += 1

    def note_first_token(self, seconds: float) -> None:
        """The first token of a turn has come so long after the turn began."""
        self._current().first_token[bucket_of(seconds * 1000)] += 1

    def note_usage(self, tokens: int, cost: int) -> None:
        """Models have used so many tokens, for so many millionths of a dollar."""
        slot = self._current()
        slot.tokens += tokens
        slot.cost += cost

    def report(self) -> list[RecentSlot]:
        """The slots of the last ten minutes in which there was something to count."""
        self._forget_old(self._clock() // SLOT_MS)
        return [
            RecentSlot(
                number=number,
                outcomes=dict(slot.outcomes),
                first_token=dict(slot.first_token),
                turn_time=dict(slot.turn_time),
                tokens=slot.tokens,
                cost=slot.cost,
            )
            for number, slot in self._slots.items()
        ]

    def _current(self) -> Slot:
        number = self._clock() // SLOT_MS
        slot = self._slots.get(number)
        if slot is None:
            self._forget_old(number)
            slot = self._slots[number] = Slot()
        return slot

    def _forget_old(self, number: int) -> None:
        """Slots after this one are of a clock that has been set back since."""
        for other in [other for other in self._slots if not number - SLOTS < other <= number]:
            del self._slots[other]


class MergedFigures:
    """The figures of many processes, added up as their reports come in.

    Each counts by the clock of its node: where clocks differ, so do the slots.
    """

    def __init__(self) -> None:
        self._slots: dict[int, Slot] = {}

    def add(self, report: Iterable[RecentSlot]) -> None:
        """Count what a process has reported."""
        for reported in report:
            self._slots.setdefault(reported["number"], Slot()).add(
                Slot(
                    outcomes=Counter(reported["outcomes"]),
                    first_token=Counter(reported["first_token"]),
                    turn_time=Counter(reported["turn_time"]),
                    tokens=reported["tokens"],
                    cost=reported["cost"],
                )
            )

    def slots(self, now: int, count: int = SLOTS) -> list[tuple[int, Slot]]:
        """The last `count` slots that are over at `now` (ms), oldest first, empty ones included, and when each began.

        The one that is not over yet would look as if less was going on.
        """
        end = now // SLOT_MS
        return [(number * SLOT_MS, self._slots.get(number, Slot())) for number in range(end - count, end)]


def total(slots: Sequence[tuple[int, Slot]]) -> Slot:
    """All of them as one."""
    whole = Slot()
    for _, slot in slots:
        whole.add(slot)
    return whole

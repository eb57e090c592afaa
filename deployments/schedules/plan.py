"""What is to be done about a schedule at a moment: which due times run, which are skipped, and when to look again.

A table of rules without I/O: the state of the schedule and the time go in, the next state and the decisions come out. A
due time is decided once: the state's `decided` goes forward alone, so that a clock that is set back repeats nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final, Literal

from deployments.schedules.due_times import UNBOUNDED, Bounds, Timing, due_between, next_due

Overlap = Literal["skip", "queue", "allow", "cancel"]
"""While the run before is not over: leave this one out; run it after that; run both; end the older one."""
Missed = Literal["skip", "once", "all"]
"""Of the due times that passed while no scheduler looked: none, the latest alone, or all up to a bound."""

GRACE_MS: Final = 60_000
"""A due time counts as missed when it is later than this by more than that."""
MAX_MISSED: Final = 100
"""Of missed times that all run: the latest ones."""
MAX_WALKED: Final = 100_000
"""Missed times that are counted one by one."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the owner has set. After `max_failures` runs in a row that failed, the schedule pauses itself; 0: never."""

    timing: Timing
    bounds: Bounds = UNBOUNDED
    overlap: Overlap = "skip"
    missed: Missed = "once"
    max_failures: int = 10


@dataclass(frozen=True, slots=True)
class State:
    """Times are ms. All due times up to `decided` are decided; `waiting` are to run when the run before is over.

    `running` is how many runs are not over.
    """

    decided: int
    waiting: tuple[int, ...] = ()
    running: int = 0
    failures: int = 0
    is_paused: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """`start` are the due times to run now, in their order; before that the older runs end if `cancel_older`.

    `skipped` says how many due times do not run at all. `look_again` is when the next one is due; None: never.
    """

    state: State
    start: tuple[int, ...] = ()
    cancel_older: bool = False
    skipped: int = 0
    look_again: int | None = None


def plan(rules: Rules, state: State, now: int) -> Plan:
    """What to do at `now`. The same state and time give the same plan, also after a crash."""
    if state.is_paused:
        return Plan(state)
    passed = list(islice(due_between(rules.timing, state.decided, now, rules.bounds), MAX_WALKED))
    on_time = [due for due in passed if now - due <= GRACE_MS]
    late = passed[: len(passed) - len(on_time)]
    wanted = (*_of_missed(rules.missed, late, has_newer=bool(on_time)), *on_time)
    skipped = len(passed) - len(wanted)
    decided = max(state.decided, passed[-1]) if passed else state.decided
    following = next_due(rules.timing, max(decided, now), rules.bounds)
    return _with_overlap(rules.overlap, replace(state, decided=decided), wanted, skipped, following)


def after_run(rules: Rules, state: State, *, failed: bool) -> tuple[State, bool]:
    """The state when a run is over, and whether the schedule has paused itself by that."""
    failures = state.failures + 1 if failed else 0
    pauses = failed and 0 < rules.max_failures <= failures and not state.is_paused
    over = replace(state, running=max(0, state.running - 1), failures=failures, is_paused=state.is_paused or pauses)
    return over, pauses


def start_waiting(state: State) -> tuple[State, int | None]:
    """The due time that runs next because the run before is over, if one waits for that."""
    if state.is_paused or state.running or not state.waiting:
        return state, None
    first, *others = state.waiting
    return replace(state, waiting=tuple(others), running=1), first


def resume(state: State, now: int) -> State:
    """The state of a schedule that goes on at `now`: what was due while it was paused is not made up for."""
    return replace(state, is_paused=False, failures=0, decided=max(state.decided, now))


def _of_missed(policy: Missed, late: Sequence[int], *, has_newer: bool) -> tuple[int, ...]:
    match policy:
        case "skip":
            return ()
        case "once":  # a run that is on time makes up for them
            return () if has_newer else tuple(late[-1:])
        case "all":
            return tuple(late[-MAX_MISSED:])


def _with_overlap(overlap: Overlap, state: State, wanted: Sequence[int], skipped: int, following: int | None) -> Plan:
    if not wanted:
        return Plan(state, skipped=skipped, look_again=following)
    match overlap:
        case "allow":
            started = replace(state, running=state.running + len(wanted))
            return Plan(started, tuple(wanted), skipped=skipped, look_again=following)
        case "cancel":  # the latest alone: each would end the one before
            return Plan(
                replace(state, running=1),
                tuple(wanted[-1:]),
                cancel_older=state.running > 0,
                skipped=skipped + len(wanted) - 1,
                look_again=following,
            )
        case "skip":
            if state.running:
                return Plan(state, skipped=skipped + len(wanted), look_again=following)
            started = replace(state, running=1)
            return Plan(started, tuple(wanted[:1]), skipped=skipped + len(wanted) - 1, look_again=following)
        case "queue":
            queued = (*state.waiting, *wanted)
            kept = queued[-MAX_MISSED:]
            waiting, first = start_waiting(replace(state, waiting=kept))
            dropped = len(queued) - len(kept)
            start = () if first is None else (first,)
            return Plan(waiting, start, skipped=skipped + dropped, look_again=following)

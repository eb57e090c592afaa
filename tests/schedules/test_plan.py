"""What is done about a schedule: each due time is decided once, whatever the clock, restarts and policies."""

import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.schedules.due_times import Bounds, Interval, due_between
from deployments.schedules.plan import (
    GRACE_MS,
    MAX_MISSED,
    Missed,
    Overlap,
    Rules,
    State,
    after_run,
    plan,
    resume,
    start_waiting,
)

MINUTE = 60_000
EACH_TEN_MINUTES = Interval(10 * MINUTE)


def rules(overlap: Overlap = "skip", missed: Missed = "once", **more: object) -> Rules:
    return replace(Rules(EACH_TEN_MINUTES, overlap=overlap, missed=missed), **more)  # type: ignore[arg-type]


def test_nothing_is_due_yet() -> None:
    found = plan(rules(), State(decided=0), 9 * MINUTE)

    assert (found.start, found.skipped, found.look_again) == ((), 0, 10 * MINUTE)


def test_a_due_time_runs_and_is_decided() -> None:
    found = plan(rules(), State(decided=0), 10 * MINUTE + 5)

    assert (found.start, found.state, found.look_again) == ((10 * MINUTE,), State(10 * MINUTE, running=1), 20 * MINUTE)
    assert plan(rules(), found.state, 10 * MINUTE + 6).start == ()


@pytest.mark.parametrize(
    ("missed", "start", "skipped"),
    [("skip", (), 3), ("once", (30 * MINUTE,), 2), ("all", (10 * MINUTE, 20 * MINUTE, 30 * MINUTE), 0)],
)
def test_what_was_missed(missed: Missed, start: tuple[int, ...], skipped: int) -> None:
    found = plan(rules("allow", missed), State(decided=0), 30 * MINUTE + GRACE_MS + 1)

    assert (found.start, found.skipped) == (start, skipped)


def test_a_run_on_time_makes_up_for_missed_ones() -> None:
    found = plan(rules("allow", "once"), State(decided=0), 30 * MINUTE)

    assert (found.start, found.skipped) == ((30 * MINUTE,), 2)


def test_missed_runs_are_bounded() -> None:
    found = plan(rules("allow", "all"), State(decided=0), 1_000 * 10 * MINUTE)

    assert len(found.start) == MAX_MISSED + 1
    assert found.start[-1] == 1_000 * 10 * MINUTE
    assert found.skipped == 1_000 - MAX_MISSED - 1


@pytest.mark.parametrize(
    ("overlap", "start", "running", "waiting", "cancels", "skipped"),
    [
        ("skip", (), 1, (), False, 1),
        ("queue", (), 1, (10 * MINUTE,), False, 0),
        ("allow", (10 * MINUTE,), 2, (), False, 0),
        ("cancel", (10 * MINUTE,), 1, (), True, 0),
    ],
)
def test_while_the_run_before_is_not_over(
    overlap: Overlap, start: tuple[int, ...], running: int, waiting: tuple[int, ...], cancels: bool, skipped: int
) -> None:
    found = plan(rules(overlap), State(decided=0, running=1), 10 * MINUTE)

    assert (found.start, found.state.running, found.state.waiting) == (start, running, waiting)
    assert (found.cancel_older, found.skipped) == (cancels, skipped)


def test_what_waits_starts_when_the_run_is_over() -> None:
    waiting = plan(rules("queue"), State(decided=0, running=1), 10 * MINUTE).state
    over, pauses = after_run(rules("queue"), waiting, failed=False)

    state, first = start_waiting(over)

    assert (pauses, first, state.running, state.waiting) == (False, 10 * MINUTE, 1, ())
    assert start_waiting(state) == (state, None)


def test_after_so_many_failures_it_pauses_itself() -> None:
    bounded = rules(max_failures=3)
    state, heard = State(decided=0, running=3), []
    for _ in range(4):
        state, pauses = after_run(bounded, state, failed=True)
        heard.append(pauses)

    assert heard == [False, False, True, False]
    assert plan(bounded, state, 10**9).start == ()
    resumed = resume(state, 10**9)
    assert (resumed.is_paused, resumed.failures, resumed.decided) == (False, 0, 10**9)


def test_a_success_begins_the_count_anew() -> None:
    state, _ = after_run(rules(), State(decided=0, failures=9, running=1), failed=False)

    assert state.failures == 0


def test_after_its_end_nothing_is_looked_at_again() -> None:
    ended = rules(bounds=Bounds(end=15 * MINUTE))

    assert plan(ended, State(decided=0), 12 * MINUTE).look_again is None


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(("skip", "queue", "allow", "cancel")),
    st.sampled_from(("skip", "once", "all")),
    st.lists(st.integers(-30 * MINUTE, 45 * MINUTE), min_size=1, max_size=40),
    st.integers(0, 2**32),
)
def test_no_due_time_is_decided_twice(overlap: Overlap, missed: Missed, steps: list[int], seed: int) -> None:
    """The clock goes on, stands still, is set back; runs end at random; schedulers die before a plan is carried out."""
    dice, chosen = random.Random(seed), rules(overlap, missed, max_failures=0)
    state, now, latest, started, skipped = State(decided=0), 0, 0, Counter[int](), 0
    for step in steps:
        now = max(0, now + step)
        latest = max(latest, now)
        found = plan(chosen, state, now)
        if dice.random() < 0.2:
            continue  # it died: the next one makes the same plan, or a later one
        state = found.state
        started.update(found.start)
        skipped += found.skipped
        while state.running and dice.random() < 0.5:
            state, _ = after_run(chosen, state, failed=dice.random() < 0.3)
            state, first = start_waiting(state)
            started.update(() if first is None else (first,))

    decided = list(due_between(EACH_TEN_MINUTES, 0, state.decided))
    assert all(count == 1 for count in started.values())
    assert set(started) <= set(decided)
    assert len(started) + skipped + len(state.waiting) == len(decided)
    assert state.decided <= latest

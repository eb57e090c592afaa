"""The decisions over years: zones that change their offset, clocks that jump, schedulers that die; nothing sleeps."""

import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from deployments.schedules.definition import Definition
from deployments.schedules.due_times import due_between
from deployments.schedules.state import Run, Schedule, ScheduleState, decode_schedule, encode_definition, encode_state
from deployments.schedules.transitions import (
    MAX_OPEN,
    Outcome,
    Step,
    note_started,
    run_now,
    tend,
)
from store.registries.schedules import ScheduleRecord

HOUR, DAY = 3_600_000, 86_400_000
BEGIN = 1_767_225_600_000
"""2026-01-01T00:00:00Z."""
ENDS = {"succeeded": Outcome("succeeded"), "failed": Outcome("failed", error="no")}


def schedule_of(**fields: object) -> Schedule:
    what = {} if "job" in fields else {"prompt": "x"}
    when = {} if "every" in fields else {"cron": "30 2 * * *"}
    definition = Definition.model_validate({"name": "x", **when, **what, **fields})
    state = ScheduleState(decided=BEGIN)
    record = ScheduleRecord("0f", "ada", encode_definition(definition), encode_state(state), BEGIN)
    return Schedule(record, definition, state)


class Machine:
    """One schedule as the store has it, and every run that was ever started, by its due time."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.started = Counter[int]()
        self.ended: list[Run] = []
        self.told = Counter[str]()

    def commit(self, step: Step) -> None:
        """Also through its JSON: what a restart would read."""
        self.ended += step.ended
        self.told.update(kind for kind, _ in step.notices)
        record = replace(self.schedule.record, state=encode_state(step.state))
        self.schedule = decode_schedule(record)

    def tend(self, now: int, outcome: str | None = "succeeded", *, dies: bool = False) -> None:
        """What one scheduler does at a moment; one that `dies` does so between its decision and the effect."""
        running = [run.id for run in self.schedule.state.runs if run.state != "starting"]
        step = tend(self.schedule, {} if outcome is None else dict.fromkeys(running, ENDS[outcome]), now)
        self.commit(step)
        for run_id in () if dies else step.claimed:
            run = self.schedule.state.run(run_id)
            assert run is not None
            if run.state == "starting":
                self.started[run.due_at] += 1
                self.commit(note_started(self.schedule, run_id, now, conversation=run_id))


@pytest.mark.parametrize(
    ("zone", "cron"),
    [
        ("Europe/Berlin", "30 2 * * *"),
        ("America/New_York", "*/30 1-3 * * 0"),
        ("Australia/Lord_Howe", "45 1 * * *"),
        ("Asia/Kolkata", "0 12 31 * *"),
    ],
)
def test_years_of_due_times_run_once_each_whatever_the_clock_does(zone: str, cron: str) -> None:
    dice = random.Random(f"{zone} {cron}")
    machine = Machine(schedule_of(cron=cron, zone=zone, overlap="allow", missed="all", jitter=600))
    until = BEGIN + 2 * 365 * DAY
    now = latest = BEGIN
    while latest < until:
        now = dice.choice((now + dice.randrange(6 * DAY), now + HOUR, max(BEGIN, now - dice.randrange(3 * DAY))))
        latest = max(latest, now)
        machine.tend(now, dies=dice.random() < 0.2)
    for again in (1, 2):  # what the dead had claimed is started by another
        machine.tend(latest + again * HOUR)
    timing, decided = machine.schedule.rules.timing, machine.schedule.state.decided
    expected = list(due_between(timing, BEGIN, decided))
    assert expected[-1] == decided
    assert sorted(machine.started) == expected
    assert set(machine.started.values()) <= {1}


def test_monthly_is_not_thirty_days() -> None:
    machine = Machine(schedule_of(cron="0 9 31 * *", zone="Europe/Berlin"))
    for day in range(366):
        machine.tend(BEGIN + day * DAY)
    found = [datetime.fromtimestamp(due / 1000, UTC) for due in sorted(machine.started)]
    assert [(at.month, at.day) for at in found] == [(month, 31) for month in (1, 3, 5, 7, 8, 10, 12)]
    assert [at.hour for at in found] == [8, 7, 7, 7, 7, 8, 8]


def test_runs_that_fail_make_no_further_runs() -> None:
    """A failing job of this kind must not multiply: a day has one run, whatever becomes of it."""
    machine = Machine(schedule_of(max_failures=0))
    for hour in range(10 * 24):
        machine.tend(BEGIN + hour * HOUR, "failed")
    assert list(machine.started.values()) == [1] * 10
    assert machine.schedule.state.failures >= 9


def test_runs_under_way_are_bounded() -> None:
    machine = Machine(schedule_of(every=60, overlap="allow", missed="all"))
    for minute in range(1, 2 * MAX_OPEN + 1):
        machine.tend(BEGIN + minute * 60_000, None)
    assert len(machine.schedule.state.runs) == MAX_OPEN
    assert machine.schedule.state.skipped == MAX_OPEN
    machine.tend(BEGIN + (2 * MAX_OPEN + 1) * 60_000)
    (run,) = machine.schedule.state.runs
    assert run.skipped == MAX_OPEN, "the next run says what was left out before it"


def test_a_run_that_cannot_begin_is_one_run_however_long_that_takes() -> None:
    machine = Machine(schedule_of(cron="0 0 2 1 *"))
    for minute in range(120):
        machine.tend(BEGIN + DAY + minute * 60_000, dies=True)
    assert [run.due_at for run in machine.schedule.state.runs] == [BEGIN + DAY]


def test_how_a_run_ended_is_told_once() -> None:
    machine = Machine(schedule_of(cron="0 0 2 1 *"))
    machine.tend(BEGIN + DAY)
    for second in range(5):
        machine.tend(BEGIN + DAY + second)
    assert machine.told == {"schedule_run_started": 1, "schedule_run_ended": 1}
    assert len(machine.ended) == 1


def test_what_one_scheduler_has_decided_another_does_not_decide_again() -> None:
    """Both have read the same: only one commit can count, and the other one finds nothing left to do."""
    machine = Machine(schedule_of())
    first = tend(machine.schedule, {}, BEGIN + DAY)
    machine.commit(first)
    second = tend(machine.schedule, {}, BEGIN + DAY)
    assert (len(first.claimed), second.claimed, second.state) == (1, (), first.state)


def test_a_run_of_a_person_holds_up_the_next_due_time() -> None:
    machine = Machine(schedule_of(every=3600))
    machine.commit(run_now(machine.schedule, "now-1", BEGIN))
    machine.tend(BEGIN)
    machine.tend(BEGIN + HOUR, None)
    assert [run.id for run in machine.schedule.state.runs] == ["now-1"]
    assert machine.schedule.state.skipped == 1


def test_nothing_that_was_due_before_a_schedule_was_made_runs() -> None:
    machine = Machine(schedule_of(every=3600, start=BEGIN - 10 * HOUR, missed="all", overlap="allow"))
    machine.tend(BEGIN)
    assert machine.started == {}
    assert machine.schedule.next_due() == BEGIN + HOUR

"""The scheduler on a real store and real conversations, by a clock that the test sets."""

import asyncio
from dataclasses import replace

import pytest

from agents.errors import Refused
from agents.models import Step
from agents.turn.events import UserMsg
from deployments.routing.door import PATIENCE_SECONDS
from deployments.routing.errors import Unreachable
from deployments.schedules.transitions import CLAIM_MS, MAX_START_MS
from tests.schedules.conftest import DAY, HOUR, MINUTE, MONDAY, OWNER, Office, agent
from tests.support.metric_values import values

TEN = 10 * MINUTE
HANGS = Step("Well", hangs="after")


async def test_each_due_time_runs_once_with_several_schedulers_and_a_clock_that_steps(office: Office) -> None:
    schedule = await office.add(overlap="allow")
    others = [office.make() for _ in range(3)]
    for at in (1, 2, 3, 1, 0, 2, 3, 4, -50, 5):
        office.clock.now = MONDAY + at * TEN
        await asyncio.gather(*(one.tend(schedule.id) for one in (office.scheduler, *others)))
    await office.finish(schedule)
    runs = [*await office.history(schedule), *await office.runs(schedule)]
    assert sorted(run.due_at for run in runs) == [MONDAY + number * TEN for number in range(1, 6)]
    for run in runs:
        events = await office.world.events(str(run.conversation))
        assert sum(isinstance(event, UserMsg) for event in events) == 1


async def test_one_scheduler_looks_and_another_when_it_has_gone(office: Office) -> None:
    schedule = await office.add()
    other = office.make()
    office.clock.now = MONDAY + TEN
    await office.scheduler.look()
    await office.scheduler.settle()
    assert len(await office.runs(schedule)) == 1
    await office.finish(schedule)
    office.clock.now = MONDAY + 2 * TEN
    await other.look()
    await other.settle()
    assert await office.runs(schedule) == [], "the other one has the lease"
    await office.scheduler.leave()
    await other.look()
    await other.settle()
    assert [(run.due_at - MONDAY) // TEN for run in await office.runs(schedule)] == [2]


async def test_a_scheduler_that_dies_after_it_has_decided_leaves_the_start_to_another(office: Office) -> None:
    """Log first: the decision is there, the effect is made up for, and only once."""
    schedule = await office.add()
    office.world.doors.trouble = [Unreachable("c")]
    await office.look(MONDAY + TEN)
    (run,) = await office.runs(schedule)
    assert (run.state, run.tries, run.error) == ("starting", 1, "it could not be started yet: Unreachable")
    await office.look(run.look_at)
    await office.finish(schedule)
    (over,) = await office.history(schedule)
    assert (over.state, over.error, over.due_at) == ("succeeded", None, MONDAY + TEN)


async def test_a_message_whose_answer_was_lost_is_not_sent_twice(office: Office) -> None:
    schedule = await office.add()
    office.clock.now = MONDAY + TEN
    await office.scheduler.tend(schedule.id)
    (run,) = await office.runs(schedule)
    now_read = await office.client.get(schedule.id)
    again = await office.scheduler._runs.start(now_read, replace(run, state="starting"))
    assert (again["turn"], again["seq"]) == (run.turn, run.seq)
    await office.finish(schedule)
    assert len(await office.history(schedule)) == 1


@pytest.mark.parametrize(
    ("overlap", "expected"),
    [
        ("skip", {"running": [1], "waiting": [], "over": [], "skipped": 2}),
        ("queue", {"running": [1], "waiting": [2, 3], "over": [], "skipped": 0}),
        ("allow", {"running": [1, 2, 3], "waiting": [], "over": [], "skipped": 0}),
    ],
)
async def test_while_the_run_before_is_not_over(office: Office, overlap: str, expected: dict[str, object]) -> None:
    await office.use(agent(HANGS))
    schedule = await office.add(overlap=overlap)
    for number in (1, 2, 3):
        await office.look(MONDAY + number * TEN)
    state = (await office.client.get(schedule.id)).state
    assert {
        "running": [(run.due_at - MONDAY) // TEN for run in state.runs],
        "waiting": [(due - MONDAY) // TEN for due in state.waiting],
        "over": await office.history(schedule),
        "skipped": state.skipped,
    } == expected


async def test_what_was_queued_runs_when_the_run_before_is_over(office: Office) -> None:
    await office.use(agent(HANGS))
    schedule = await office.add(overlap="queue")
    for number in (1, 2, 3):
        await office.look(MONDAY + number * TEN)
    await office.use(agent("Done."))
    await office.world.doors.cancel(f"scheduled.{schedule.id}.{MONDAY + TEN}", OWNER)
    for _ in range(3):
        await office.finish(schedule)
    over = await office.history(schedule)
    assert [((run.due_at - MONDAY) // TEN, run.state) for run in over] == [
        (1, "cancelled"),
        (2, "succeeded"),
        (3, "succeeded"),
    ]


@pytest.mark.parametrize(("missed", "expected"), [("skip", []), ("once", [6]), ("all", [1, 2, 3, 4, 5, 6])])
async def test_after_an_outage(office: Office, missed: str, expected: list[int]) -> None:
    """A daily job must not run for each missed day, unless that is asked for."""
    schedule = await office.add(overlap="allow", missed=missed)
    await office.look(MONDAY + HOUR + 5 * MINUTE)
    await office.finish(schedule)
    runs = [*await office.history(schedule), *await office.runs(schedule)]
    assert sorted((run.due_at - MONDAY) // TEN for run in runs) == expected


async def test_start_end_and_jitter(office: Office) -> None:
    start, end = MONDAY + 5 * TEN, MONDAY + 6 * TEN
    schedule = await office.add(start=start, end=end, jitter=60, overlap="allow")
    assert 0 <= schedule.shift <= MINUTE
    await office.look(start + schedule.shift - 1)
    assert await office.runs(schedule) == []
    for at in (start, end, end + TEN, end + DAY):
        await office.look(at + schedule.shift)
    runs = [*await office.history(schedule), *await office.runs(schedule)]
    assert sorted(run.due_at for run in runs) == [start, end]
    assert (await office.client.get(schedule.id)).next_due() is None


async def test_what_cannot_be_reached_for_an_hour_has_failed(office: Office) -> None:
    schedule = await office.add(every=24 * 3600)
    office.world.doors.trouble = [Unreachable("c")] * 300
    await office.look(MONDAY + DAY)
    while runs := await office.runs(schedule):
        await office.look(runs[0].look_at)
    assert office.clock.now - MONDAY - DAY >= MAX_START_MS
    assert [run.state for run in await office.history(schedule)] == ["failed"]


async def test_a_refusal_that_passes_is_tried_again(office: Office) -> None:
    schedule = await office.add()
    office.world.doors.trouble = [Refused("cluster_full", "All the room is taken.")]
    await office.look(MONDAY + TEN)
    (run,) = await office.runs(schedule)
    assert run.state == "starting"
    await office.look(run.look_at)
    await office.finish(schedule)
    assert [one.state for one in await office.history(schedule)] == ["succeeded"]


async def test_another_timing_counts_from_its_change(office: Office) -> None:
    schedule = await office.add()
    office.clock.now = MONDAY + 5 * MINUTE
    changed = await office.client.change(schedule.id, {"every": None, "cron": "0 12 * * *"}, OWNER)
    assert changed.next_due() == MONDAY + 2 * HOUR
    await office.look(MONDAY + HOUR)
    assert await office.runs(schedule) == []
    await office.look(MONDAY + 2 * HOUR)
    await office.finish(schedule)
    assert [run.due_at for run in await office.history(schedule)] == [MONDAY + 2 * HOUR]


def test_a_claim_outlasts_the_patience_of_the_door() -> None:
    assert CLAIM_MS >= 1000 * PATIENCE_SECONDS


async def test_runs_are_counted_with_how_late_they_began(office: Office) -> None:
    schedule = await office.add(overlap="skip")
    others = [office.make() for _ in range(2)]
    office.clock.now = MONDAY + TEN + 3000
    await asyncio.gather(*(one.tend(schedule.id) for one in (office.scheduler, *others)))
    await office.finish(schedule)
    found = {key: value for key, value in values(office.recorder).items() if value and "_bucket" not in key[0]}
    assert found == {
        ("schedule_runs_total", "succeeded"): 1,
        ("schedule_late_seconds_count",): 1,
        ("schedule_late_seconds_sum",): 3.0,
    }

"""What went wrong in other systems with schedules and reminders, case by case; here it does not happen."""

import asyncio
from datetime import UTC, datetime

import pytest

from agents.models import Step
from agents.turn.events import UserMsg
from deployments.schedules.definition import Definition
from deployments.schedules.due_times import due_between
from deployments.schedules.errors import UnknownSchedule
from tests.schedules.conftest import DAY, HOUR, MINUTE, MONDAY, OWNER, Office, agent

TEN = 10 * MINUTE


async def _messages(office: Office, conversation: str | None) -> int:
    return sum(isinstance(event, UserMsg) for event in await office.world.events(str(conversation)))


async def test_a_reload_inside_the_window_of_a_due_time_does_not_fire_it_twice(office: Office) -> None:
    schedule = await office.add(cron="*/10 * * * *")
    await office.look(MONDAY + TEN)
    await office.finish(schedule)
    for second in (0, 1, 30, 59):  # each is a new process, which has read all anew
        await office.scheduler.leave()
        office.scheduler = office.make()
        await office.look(MONDAY + TEN + 1000 * second)
    (run,) = await office.history(schedule)
    assert await office.runs(schedule) == []
    assert await _messages(office, run.conversation) == 1


async def test_what_is_due_is_not_enqueued_again_each_minute_until_it_is_sent(office: Office) -> None:
    schedule = await office.add(job="write_note", payload={"ledger": "/x"}, cron="10 10 * * *")
    for minute in range(10, 20):  # no worker does the job
        await office.look(MONDAY + minute * MINUTE)
        await office.world.store.schedules.look_now([schedule.id], office.clock.now)
    found, _ = await office.world.store.jobs.list(OWNER, limit=10)
    assert len(found) == 1


async def test_a_retry_after_the_notification_does_not_send_it_twice(office: Office) -> None:
    schedule = await office.add(cron="10 10 * * *")
    await office.look(MONDAY + TEN)
    await office.finish(schedule)
    for _ in range(3):
        await office.world.store.schedules.look_now([schedule.id], office.clock.now)
        await office.look()
    assert [entry.type for entry in await office.told()].count("schedule_run_ended") == 1


async def test_a_recurrence_does_not_fork_when_it_is_changed_while_it_runs(office: Office) -> None:
    await office.use(agent(Step("Well", hangs="after")))
    schedule = await office.add(overlap="allow")
    await office.look(MONDAY + TEN)
    for every in (1200, 600, 600):
        await office.client.change(schedule.id, {"every": every}, OWNER)
    office.clock.now = MONDAY + 2 * TEN
    await asyncio.gather(*(one.tend(schedule.id) for one in (office.scheduler, office.make())))
    runs = await office.runs(schedule)
    assert sorted(run.due_at for run in runs) == [MONDAY + TEN, MONDAY + 2 * TEN]
    for run in runs:
        await office.world.doors.cancel(str(run.conversation), OWNER)


async def test_after_an_outage_of_days_a_daily_schedule_fires_once(office: Office) -> None:
    schedule = await office.add(cron="0 11 * * *", missed="once")
    await office.look(MONDAY + 5 * DAY)
    await office.finish(schedule)
    (run,) = await office.history(schedule)
    assert run.due_at == MONDAY + 4 * DAY + HOUR
    assert run.skipped == 4, "it says what it stands for"


async def test_a_reminder_that_was_dismissed_is_not_delivered(office: Office) -> None:
    paused, deleted = await office.add(), await office.add()
    await office.client.pause(paused.id, OWNER)
    await office.client.delete(deleted.id, OWNER)
    await office.look(MONDAY + 3 * TEN)
    assert await office.runs(paused) == await office.history(paused) == []
    with pytest.raises(UnknownSchedule):
        await office.client.get(deleted.id)
    assert not any(entry.type == "schedule_run_started" for entry in await office.told())


def test_the_time_zone_is_not_ignored() -> None:
    def first(zone: str) -> int:
        definition = Definition(name="x", prompt="x", cron="0 9 * * *", zone=zone)
        found = due_between(definition.rules(MONDAY).timing, MONDAY, MONDAY + 2 * DAY)
        return datetime.fromtimestamp(next(iter(found)) / 1000, UTC).hour

    assert [first(zone) for zone in ("UTC", "Europe/Berlin", "Asia/Tokyo", "America/New_York")] == [9, 7, 0, 13]


async def test_what_is_due_fires_at_its_own_agent_and_at_no_other(office: Office) -> None:
    await office.use(agent("a", name="reporter"), agent("b", name="other"), agent("c", name="third"))
    schedule = await office.add(agent="other")
    await office.look(MONDAY + TEN)
    await office.finish(schedule)
    (run,) = await office.history(schedule)
    assert run.result == "b"
    metas = await office.world.store.registry.get_many([str(run.conversation)])
    assert [meta.agent for meta in metas] == ["other"]
    listed, _ = await office.world.store.registry.list("all", limit=10)
    assert [meta.id for meta in listed] == [run.conversation]


# An expired job that stays pending, and a failing job that schedules itself: tests/work/test_what_bit_others.py.
# Monthly that is thirty days: tests/schedules/test_transitions.py, test_monthly_is_not_thirty_days.
# A run that meets an approval and dies: test_a_run_that_meets_an_approval_waits_and_its_owner_is_told in test_runs.py.

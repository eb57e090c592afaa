"""Schedulers that are killed at random, with clocks that are wrong: each due time has its effect exactly once."""

from pathlib import Path

from deployments.settings import Settings
from tests.support.killed_schedulers import Plan, kill_schedulers


async def test_each_due_time_has_its_effect_once(redis_url: str, redis_prefix: str, tmp_path: Path) -> None:
    plan = Plan(due_times=40, schedules=4, speed=120.0, processes=2, seconds_between_kills=1.5)
    settings = Settings(redis_url=redis_url, prefix=redis_prefix)

    course = await kill_schedulers(settings, tmp_path / "ledger", plan)

    assert course.kills >= 2
    assert course.wrong == []
    assert dict(course.states) == {"succeeded": 40}

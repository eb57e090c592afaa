"""`raylogue schedules`, as a person types it, on the application and a scheduler without Ray."""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest

from deployments.schedules.scheduler import Scheduler
from tests.support.access_service import make_key
from tests.support.api import eventually
from tests.support.conversations import World
from tests.support.service import plain_environment

RAYLOGUE = Path(sys.executable).with_name("raylogue")
Type = Callable[..., Awaitable["subprocess.CompletedProcess[str]"]]


@pytest.fixture
async def type_command(http: httpx.AsyncClient, world: World) -> Type:
    """Types `raylogue schedules ...` as acme/ada."""
    key = await make_key(world.store)
    environment = {**plain_environment(), "COLUMNS": "200", "RAYLOGUE_API_KEY": key}

    async def run(*words: str) -> "subprocess.CompletedProcess[str]":
        command = [str(RAYLOGUE), "schedules", *words, "--url", str(http.base_url)]
        return await asyncio.to_thread(
            subprocess.run, command, env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    return run


async def test_a_schedule_is_added_run_and_deleted(type_command: Type, scheduler: Scheduler) -> None:
    added = await type_command(
        "add", "Report", "--cron", "0 9 * * *", "--zone", "Asia/Kolkata", "--prompt", "Report of {{date}}."
    )
    assert added.returncode == 0, added.stderr
    name = added.stdout.strip()
    assert re.fullmatch(r"[0-9a-f]{32}", name)
    assert "Report is due at" in added.stderr
    coming = (await type_command("next", name)).stdout.split()
    assert len(coming) == 5
    assert all(due.endswith("T09:00:00+05:30") for due in coming)
    assert re.search(
        rf"{name}\s+Report\s+acme/ada\s+active\s+0 9 \* \* \* Asia/Kolkata", (await type_command("list")).stdout
    )

    running = asyncio.create_task(scheduler.run())
    run = (await type_command("run", name)).stdout.strip()

    async def over() -> dict[str, object] | None:
        shown = (await type_command("history", name, "--json")).stdout.splitlines()
        runs = [json.loads(line) for line in shown]
        return next((one for one in runs if one["id"] == run and one["state"] == "succeeded"), None)

    assert (await eventually(over))["cause"] == "person"
    running.cancel()
    assert re.search(rf"{run}\s+\S+ \S+\s+succeeded\s+\d+", (await type_command("history", name)).stdout)

    changed = await type_command("change", name, "--every", "15m", "--start", "2099-01-01T08:00", "--zone", "UTC")
    assert "is due at" in changed.stderr, changed.stderr
    shown = json.loads((await type_command("show", name)).stdout)
    assert (shown["every"], shown["cron"], shown["start"]) == (900, None, 4_070_937_600_000)
    assert "is paused" in (await type_command("pause", name)).stderr
    assert json.loads((await type_command("show", name)).stdout)["state"] == "paused"
    assert (await type_command("resume", name)).returncode == 0
    assert "is deleted" in (await type_command("delete", name)).stderr
    assert "There are no schedules." in (await type_command("list")).stderr


REFUSED = (
    (["add", "x", "--every", "soon", "--prompt", "x"], "'soon' is no interval"),
    (["add", "x", "--every", "1h", "--prompt", "x", "--start", "soon"], "'soon' is no time"),
    (["add", "x", "--cron", "99 * * * *", "--prompt", "x"], "is no cron expression"),
    (["add", "x", "--every", "1h", "--job", "x", "--payload", "{"], "--payload is no JSON"),
    (["change", 32 * "0"], "nothing to change is given"),
    (["show", 32 * "0"], "There is no schedule"),
)


async def test_what_is_refused(type_command: Type) -> None:
    for words, reason in REFUSED:
        refused = await type_command(*words)
        assert (refused.returncode, reason in refused.stderr) == (1, True), refused.stderr

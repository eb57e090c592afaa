"""Schedulers that are killed at random over many due times, with a ledger outside: each due time runs exactly once.

    python -m tests.support.killed_schedulers --due-times 1000

prints what happened, on its last two lines. Each process has a clock of its own, which is wrong by up to two minutes.
"""

import argparse
import asyncio
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from agents.agent import Catalog
from agents.local import LocalConversations
from deployments.process.store import connect_store
from deployments.schedules.client import ScheduleClient
from deployments.schedules.definition import Definition
from deployments.schedules.scheduler import make_scheduler
from deployments.settings import Settings
from deployments.work.client import JobClient
from deployments.work.queues import Queues
from store import Store, StoreUnavailable
from store.embedded import EmbeddedServer
from tests.support.scheduler_process import FastClock, noting_agent
from tests.support.service import plain_environment

ROOT = Path(__file__).parents[2]
BEGIN = 1_774_864_800_000
INTERVAL_MS = 60_000
MAX_SKEW_MS = 120_000
PATIENCE_SECONDS = 600.0
MAX_TAKEN_UP = 20


@dataclass(frozen=True, slots=True)
class Plan:
    """So many due times of so many schedules, by a clock `speed` times as fast; `processes` schedulers at a time."""

    due_times: int
    schedules: int
    speed: float = 20.0
    processes: int = 3
    seconds_between_kills: float = 3.0
    seed: int = 7


@dataclass(frozen=True, slots=True)
class Course:
    """What happened: how often each due time had its effect, and how often a process was killed."""

    effects: Counter[tuple[str, int]]
    expected: frozenset[tuple[str, int]]
    kills: int
    states: Counter[str]
    seconds: float

    @property
    def wrong(self) -> list[tuple[str, int]]:
        """Due times without their effect, or with more than one; and effects without a due time."""
        return sorted(
            due for due in self.expected | set(self.effects) if self.effects[due] != 1 or due not in self.expected
        )


async def kill_schedulers(settings: Settings, ledger: Path, plan: Plan) -> Course:
    """Do as planned, then let one scheduler finish, and read the ledger."""
    dice, began = random.Random(plan.seed), time.monotonic()
    store = connect_store(settings)
    expected = await _make_schedules(store, plan)
    each = plan.due_times // plan.schedules
    clock = FastClock(BEGIN, ledger.parent / "started", plan.speed)
    last = BEGIN + each * INTERVAL_MS
    with _processes(settings, ledger, clock, dice) as (running, start):
        running.extend(start() for _ in range(plan.processes))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not all(_is_ready(process, ledger) for process in running):  # noqa: ASYNC110 - other processes
                await asyncio.sleep(0.05)
        clock.start()
        kills = 0
        while clock() < last + MAX_SKEW_MS:
            await asyncio.sleep(plan.seconds_between_kills * dice.uniform(0.5, 1.5))
            ready = [process for process in running if _is_ready(process, ledger)]
            if ready:
                (killed := dice.choice(ready)).kill()
                running.remove(killed)
                running.append(start())
                kills += 1
    late = FastClock(BEGIN, ledger.parent / "started", plan.speed, skew=10 * MAX_SKEW_MS)
    states = await _finish(store, settings, ledger, late)
    await store.aclose()
    return Course(_read(ledger), expected, kills, states, time.monotonic() - began)


def _is_ready(process: subprocess.Popen[bytes], ledger: Path) -> bool:
    return (ledger.parent / f"ready-{process.pid}").exists()


async def _make_schedules(store: Store, plan: Plan) -> frozenset[tuple[str, int]]:
    client, expected = ScheduleClient(store, clock=lambda: BEGIN), set[tuple[str, int]]()
    each = plan.due_times // plan.schedules
    for number in range(plan.schedules):
        name = f"s{number}"
        await client.create(
            "ada",
            Definition(
                name=name,
                every=INTERVAL_MS // 1000,
                end=BEGIN + each * INTERVAL_MS,
                prompt="{{name}} {{due}}",
                overlap="allow",
                missed="all",
                jitter=30,
                max_failures=0,
            ),
        )
        expected |= {(name, BEGIN + (one + 1) * INTERVAL_MS) for one in range(each)}
    return frozenset(expected)


@contextmanager
def _processes(
    settings: Settings, ledger: Path, clock: FastClock, dice: random.Random
) -> Iterator[tuple[list[subprocess.Popen[bytes]], Callable[[], subprocess.Popen[bytes]]]]:
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        skew = dice.randrange(-MAX_SKEW_MS, MAX_SKEW_MS)
        wanted = (settings.redis_url, settings.prefix, ledger, clock.begin, clock.started, clock.speed, skew)
        command = [sys.executable, "-m", "tests.support.scheduler_process", *map(str, wanted)]
        process = subprocess.Popen(
            command, cwd=ROOT, env=plain_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        started.append(process)
        return process

    try:
        yield [], start
    finally:
        for process in started:
            process.kill()
            process.wait()


async def _finish(store: Store, settings: Settings, ledger: Path, clock: FastClock) -> Counter[str]:
    """Let what the dead have left go on, as the recovery sweep does, until no run is open; how the runs ended."""
    queues, catalog = Queues(settings), Catalog([noting_agent(ledger)])
    doors, client = LocalConversations(store, catalog), ScheduleClient(store, clock=clock)
    scheduler = make_scheduler(store, catalog, doors, JobClient(store, queues), clock)
    running = asyncio.create_task(scheduler.run())
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            with suppress(StoreUnavailable):  # this process has the work of all that have died
                for conversation_id in await store.registry.unfinished(2**53, MAX_TAKEN_UP):
                    await doors.reach(conversation_id)
                schedules, _ = await client.list(None, limit=1_000)
                if not any(one.state.runs or one.next_due() for one in schedules):
                    break
            await asyncio.sleep(0.1)
    running.cancel()
    await asyncio.wait({running})
    states = Counter[str]()
    for one in schedules:
        runs, _ = await client.history(one.id, limit=200)
        states.update(run.state for run in runs)
    await doors.aclose()
    await queues.aclose()
    return states


def _read(ledger: Path) -> Counter[tuple[str, int]]:
    """How many different keys each due time has: an effect that is repeated under its key is one."""
    keys = {tuple(line.split()) for line in ledger.read_text().splitlines()}
    return Counter((name, round(1000 * datetime.fromisoformat(due).timestamp())) for name, due, _ in keys)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--due-times", type=int, default=1_000)
    parser.add_argument("--schedules", type=int, default=20)
    parser.add_argument("--speed", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedServer(Path(folder) / "data")
        server.start()
        try:
            plan = Plan(given.due_times, given.schedules, speed=given.speed, seed=given.seed)
            course = asyncio.run(
                kill_schedulers(Settings(redis_url=server.url, prefix="killed"), Path(folder) / "ledger", plan)
            )
        finally:
            server.stop()
    once = sum(count == 1 for count in course.effects.values())
    print(f"{len(course.expected)} due times, {once} with exactly one effect; wrong: {course.wrong}")
    print(f"{course.kills} schedulers killed in {course.seconds:.0f} s; runs: {dict(course.states)}")
    sys.exit(bool(course.wrong))


if __name__ == "__main__":
    main()

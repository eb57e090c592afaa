"""A process that dies between any two steps of its reading: the next one takes what was not acknowledged, in order."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from deployments.feed import engine as engine_module
from deployments.feed.engine import LEASES, FeedEngine
from store import Store
from store.feed.entry import FeedEntry
from tests.support.feed import Ledger, ended, engine_of, running
from tests.support.writer import Writer

TURNS = 3
MAX_STEPS = 100
READER = """
import asyncio, os, sys
import orjson
from deployments.feed import engine as engine_module
from store import connect
from tests.support.feed import Ledger, engine_of

engine_module.LEASE_SECONDS, engine_module.MARGIN_SECONDS = 1.0, 0.1
url, prefix, file = sys.argv[1:]

class Noting(Ledger):
    async def take(self, entries):
        for entry in entries:
            with open(file, "ab", buffering=0) as ledger:
                ledger.write(orjson.dumps([entry.id, entry.data.get("turn")]) + b"\\n")
            if entry.data.get("turn") == 2:
                await asyncio.Event().wait()  # it is killed with a part done

async def main():
    engine = engine_of(connect(url, prefix=prefix), Noting())
    await engine.register()
    await engine.run()

asyncio.run(main())
"""


class Steps:
    """Counts the steps of an engine in one partition, and stops it for good at the one that is chosen."""

    def __init__(self, last: int, partition: int) -> None:
        self._left = last
        self.partition = partition
        self.has_died = asyncio.Event()

    async def pass_one(self) -> None:
        self._left -= 1
        if self._left <= 0:
            self.has_died.set()
            await asyncio.Event().wait()

    def between(self, step: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        """The step, with a moment before it and one after it at which the engine may die."""

        async def counted(*arguments: Any) -> Any:
            if self.partition not in (arguments[0], *(arguments[1] if arguments[0] == "ledger" else ())):
                return await step(*arguments)
            await self.pass_one()
            answer = await step(*arguments)
            await self.pass_one()
            return answer

        return counted


class DyingLedger(Ledger):
    """May die before each entry that it notes."""

    def __init__(self, steps: Steps, taken: list[FeedEntry]) -> None:
        super().__init__()
        self.taken = taken
        self._steps = steps

    async def take(self, entries: Sequence[FeedEntry]) -> None:
        # What earlier engines have left in other partitions comes in between, and is no step: there is ever more of it.
        own = [entry for entry in entries if entry.partition == self._steps.partition]
        for entry in entries:
            if entry in own:
                await self._steps.pass_one()
            self.taken.append(entry)
        if own:
            await self._steps.pass_one()


async def read_and_die(store: Store, steps: Steps, taken: list[FeedEntry], is_done: Callable[[], bool]) -> bool:
    """Read until the engine dies, or all is done and acknowledged; whether it died."""
    engine = engine_of(store, DyingLedger(steps, taken))
    await engine.register()
    originals = {name: getattr(store.feed, name) for name in ("cursors", "read", "acknowledge")}
    for name, step in originals.items():
        setattr(store.feed, name, steps.between(step))
    reading = asyncio.create_task(engine.run())
    async with asyncio.timeout(20):
        while not steps.has_died.is_set() and not (is_done() and not await lag(store)):  # noqa: ASYNC110
            await asyncio.sleep(0.002)
    for name, step in originals.items():
        setattr(store.feed, name, step)
    await kill(engine, reading, store)
    return steps.has_died.is_set()


async def lag(store: Store) -> int:
    return sum(state.lag for state in await store.feed.states())


async def kill(engine: FeedEngine, reading: asyncio.Task[None], store: Store) -> None:
    """End it as the end of its process would: nothing more is sent. Its leases run out."""

    async def nothing() -> None:
        return None

    engine._stop = nothing  # type: ignore[method-assign]
    sending = engine._shared._sending
    for task in (reading, *((sending,) if sending else ()), *engine._shared._reading.values()):
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    for lease in range(LEASES):
        await store.feed.lease(lease).release(engine._holder)


async def test_a_crash_between_any_two_steps_loses_nothing(store: Store) -> None:
    taken: list[FeedEntry] = []
    await engine_of(store, Ledger()).register()
    names: list[str] = []
    steps = 0
    has_died = True
    while has_died:
        steps += 1
        assert steps < MAX_STEPS
        name = f"c{steps}"
        names.append(name)
        writer = await Writer.new(store, name)
        for turn in range(1, TURNS + 1):
            await writer.append(b"x", feed=[ended(turn)])

        def is_done(name: str = name) -> bool:
            return sum(entry.conversation_id == name for entry in taken) >= TURNS + 1

        has_died = await read_and_die(store, Steps(steps, store.keys.partition(name)), taken, is_done)
    assert steps > 10

    assert await lag(store) == 0
    for name in names:
        heard = list(
            dict.fromkeys(
                (entry.id, entry.type, entry.data.get("turn")) for entry in taken if entry.conversation_id == name
            )
        )
        assert [turn for _, _, turn in heard] == [None, *range(1, TURNS + 1)]


async def test_what_a_killed_process_was_taking_is_taken_by_the_next(
    store: Store, redis_url: str, redis_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "LEASE_SECONDS", 1.0)
    file = tmp_path / "ledger"
    reader = await asyncio.create_subprocess_exec(
        sys.executable, "-c", READER, redis_url, redis_prefix, str(file), cwd=Path(__file__).parents[3]
    )
    try:
        async with asyncio.timeout(60):
            while not await store.feed.states():  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        writer = await Writer.new(store, "c")
        for turn in (1, 2, 3):
            await writer.append(b"x", feed=[ended(turn)])
        async with asyncio.timeout(60):
            while not file.exists() or b",2]" not in file.read_bytes():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    finally:
        os.kill(reader.pid, signal.SIGKILL)
        await reader.wait()
    before = [tuple(orjson.loads(line)) for line in file.read_bytes().splitlines()]
    ledger = Ledger()
    async with running(store, ledger):
        await ledger.until(lambda: ledger.turns("c")[-1:] == [3])
        async with asyncio.timeout(20):
            while await lag(store):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    after = [(entry.id, entry.data.get("turn")) for entry in ledger.taken]
    assert [turn for _, turn in dict.fromkeys([*before, *after])] == [None, 1, 2, 3]
    assert before[-1] in after

"""Crashes at chosen appends: a log whose writer dies there, and ways to go on with a scenario after each crash."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal, Protocol

import orjson
import pytest

from agents.agent import Agent
from agents.clock import now_ms
from agents.codec import encode
from agents.conversation import Conversation
from agents.turn import Event
from store import Store
from store.log.log import Log
from tests.support.conversations import World

Moment = Literal["before", "after"]
"""Whether the writer dies just before an append is written or right after it."""
Victims = Literal["one", "all"]
"""Whether a crash ends only the conversation that appends, or all conversations of the world."""
Act = Callable[[Conversation], Awaitable[None]]
VOLATILE_FIELDS = {"at", "message_id", "expires_at"}
"""What may differ between two runs: times, and the epoch that is part of a message id."""


class CrashSchedule:
    """Counts the appends of all logs that share it, and says at which of them the writer dies."""

    def __init__(self, moments: Mapping[int, Moment] | None = None) -> None:
        self.appends = 0
        self.moments = dict(moments or {})
        self.crashed: asyncio.Queue[Store] = asyncio.Queue()

    def count_append(self) -> Moment | None:
        """When the writer of this append dies; None if it survives."""
        self.appends += 1
        return self.moments.get(self.appends)


class CrashingLog:
    """A log whose writer dies as scheduled: it reports its store as crashed, and its append never returns."""

    def __init__(self, log: Log, schedule: CrashSchedule, store: Store) -> None:
        self._log = log
        self._schedule = schedule
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    async def append(self, *arguments: Any, **options: Any) -> int:
        moment = self._schedule.count_append()
        if moment == "before":
            await self._crash()
        last_seq = await self._log.append(*arguments, **options)
        if moment == "after":
            await self._crash()
        return last_seq

    async def _crash(self) -> None:
        self._schedule.crashed.put_nowait(self._store)
        await asyncio.Event().wait()


class Scenario(Protocol):
    """An agent, and what is done in a conversation with it; each act can be repeated."""

    agent: Agent
    acts: Sequence[Act]


async def play(world: World, scenario: Scenario, crashes: list[tuple[int, Moment]]) -> int:
    """Play a scenario: the first incarnation dies at the first of the `crashes`, and so on; the last one does not.

    An act that a crash interrupts is repeated. Returns how many appends the last incarnation has made.
    """
    await world.create(scenario.agent)
    conversation, schedule = await open_crashing(world, scenario.agent, crashes)
    for act in scenario.acts:
        while not await survives(act(conversation), schedule):
            await world.crash(conversation)
            conversation, schedule = await open_crashing(world, scenario.agent, crashes)
    return schedule.appends


async def open_crashing(
    world: World, agent: Agent, crashes: list[tuple[int, Moment]]
) -> tuple[Conversation, CrashSchedule]:
    """An incarnation that dies at the first of the `crashes`, which is taken off the list."""
    schedule = CrashSchedule(dict([crashes.pop(0)]) if crashes else {})
    store = world.connect()
    store.log = CrashingLog(store.log, schedule, store)  # type: ignore[assignment]
    return await world.open(agent, store=store), schedule


async def survives(act: Awaitable[None], schedule: CrashSchedule) -> bool:
    """Whether the act ended before the incarnation died."""
    acting, dying = asyncio.ensure_future(act), asyncio.ensure_future(schedule.crashed.get())
    await asyncio.wait({acting, dying}, return_when=asyncio.FIRST_COMPLETED)
    if not dying.done() and schedule.crashed.empty():
        dying.cancel()
        await acting
        return True
    acting.cancel()
    await asyncio.gather(acting, dying, return_exceptions=True)
    return False


def transcript(events: Sequence[Event]) -> list[dict[str, Any]]:
    """The events as stored, without what may differ between two runs."""
    records = (encode(event, at=0) for event in events)
    return [{key: value for key, value in record.items() if key not in VOLATILE_FIELDS} for record in records]


async def transcripts(world: World) -> dict[str, list[dict[str, Any]]]:
    """The transcripts of the conversation `c` and of all its sub-agents, by conversation."""
    found: dict[str, list[dict[str, Any]]] = {}
    to_read = ["c"]
    while to_read:
        conversation_id = to_read.pop()
        found[conversation_id] = transcript(await world.events(conversation_id))
        to_read += [child.id for child in await world.store.registry.children(conversation_id)]
    return found


async def wait_for_state(world: World, state: str, conversation_id: str = "c") -> dict[str, Any]:
    """Wait until a conversation is in this state; returns what is pending then."""
    found: dict[str, Any] = {}
    async with asyncio.timeout(20):
        while found.get("state") != state:
            cached = (await world.store.registry.get(conversation_id)).state
            found = {} if cached is None else orjson.loads(cached)
            await asyncio.sleep(0.002)
    pending: dict[str, Any] = found["pending"]
    return pending


class CrashingWorld(World):
    """A world in which incarnations die as scheduled; a sweep wakes unfinished turns, as it would in a cluster."""

    def __init__(self, url: str, prefix: str) -> None:
        self.schedule = CrashSchedule()
        self.victims: Victims = "one"
        super().__init__(url, prefix)

    def connect(self) -> Store:
        store = super().connect()
        store.log = CrashingLog(store.log, self.schedule, store)  # type: ignore[assignment]
        return store

    async def recover_crashed(self) -> None:
        """End what has crashed and wake what is due, until cancelled."""
        while True:
            store = await self.schedule.crashed.get()
            dying = [found for found, own in self._of.items() if own is store or self.victims == "all"]
            for conversation in dying:
                await self.crash(conversation)
            await self._sweep()

    async def _sweep(self) -> None:
        for conversation_id in await self.store.registry.unfinished(now_ms(), 100):
            await self.doors.reach(conversation_id)


@pytest.fixture
async def crashing_world(redis_url: str, redis_prefix: str) -> AsyncIterator[CrashingWorld]:
    """A world whose crashed conversations are recovered while the test runs."""
    world = CrashingWorld(redis_url, redis_prefix)
    recovering = asyncio.create_task(world.recover_crashed())
    yield world
    recovering.cancel()
    await asyncio.wait({recovering})
    assert recovering.cancelled(), recovering.exception()
    world.schedule.moments.clear()
    await world.close()

"""For tests of the feed: what it was told, a consumer that keeps what it takes, and an engine that runs for a while."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from agents.arrivals import Arrivals
from deployments.feed.consumer import Consumer
from deployments.feed.engine import FeedEngine
from store import Store
from store.feed.entry import FeedEntry, Position
from store.keys import PARTITIONS

PATIENCE_SECONDS = 20.0


class Ledger:
    """A consumer that keeps everything it takes; it fails as long as `fails` says so of an entry."""

    def __init__(self, name: str = "ledger", fails: Callable[[FeedEntry], bool] = lambda _: False) -> None:
        self.name = name
        self.fails = fails
        self.taken: list[FeedEntry] = []
        self.calls: list[int] = []

    async def take(self, entries: Sequence[FeedEntry]) -> None:
        self.calls.append(len(entries))
        for entry in entries:
            if self.fails(entry):
                raise ValueError(f"cannot take {entry.type}")
            self.taken.append(entry)

    def turns(self, conversation_id: str) -> list[int]:
        """The turns that are known to have ended, in the order in which this was first heard."""
        heard = (entry for entry in self.taken if entry.conversation_id == conversation_id)
        return list(dict.fromkeys(entry.data["turn"] for entry in heard if entry.type == "turn_ended"))

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not condition():  # noqa: ASYNC110 - it is a consumer, and has no events
                await asyncio.sleep(0.005)

    async def until_heard(self, conversation_id: str, turns: Sequence[int]) -> None:
        await self.until(lambda: self.turns(conversation_id) == list(turns))


def ended(turn: int) -> tuple[str, dict[str, object]]:
    """A notice of the end of a turn."""
    return ("turn_ended", {"turn": turn, "outcome": "completed", "reason": None, "usage": {}, "cost": None})


def engine_of(
    store: Store,
    *consumers: Consumer,
    group_days: float = 7.0,
    max_entries: int = 100_000,
    arrivals: Arrivals | None = None,
) -> FeedEngine:
    return FeedEngine(store, consumers, group_days=group_days, max_entries=max_entries, arrivals=arrivals)


@asynccontextmanager
async def running(store: Store, *consumers: Consumer, arrivals: Arrivals | None = None) -> AsyncIterator[FeedEngine]:
    """An engine that is registered and reads, while the block runs."""
    engine = engine_of(store, *consumers, arrivals=arrivals)
    await engine.register()
    reading = asyncio.create_task(engine.run())
    try:
        yield engine
    finally:
        reading.cancel()
        await asyncio.wait({reading})
        if not reading.cancelled():
            reading.result()


async def all_told(store: Store) -> list[FeedEntry]:
    """Everything that the feed has, in order per partition."""
    return [
        entry
        for partition in range(PARTITIONS)
        for read in await store.feed.read(partition, Position(), 10_000)
        for entry in read.told
    ]


async def told_of(store: Store, conversation_id: str) -> list[tuple[str, dict[str, object]]]:
    """Type and data of what the feed has of a conversation, without what every type has."""
    return [
        (entry.type, {key: value for key, value in entry.data.items() if key not in ("owner", "root")})
        for entry in await all_told(store)
        if entry.conversation_id == conversation_id
    ]

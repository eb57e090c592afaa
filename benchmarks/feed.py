"""`python -m benchmarks.feed`: processor time that the feed costs a turn, in a process without Ray and in its Valkey.

The same conversations say the same things at the same pace: without a feed, with a feed that one consumer reads, and
with one that three read. The engine runs in the same process. What a turn takes over HTTP is measured by `make bench`.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import uvloop
from redis.asyncio import Redis

from agents.agent import Agent, Catalog
from agents.context import AgentContext
from agents.local import LocalConversations
from agents.models import ScriptedModel, Step
from agents.turn.inputs import UserMessage
from deployments.feed.engine import FeedEngine
from store import Store, connect
from store.embedded import EmbeddedServer
from store.feed.entry import FeedEntry

CONVERSATIONS = 32
CONSUMERS = (0, 1, 3)
PERSON = AgentContext(principal="ada")


class Counter:
    """A consumer that only counts."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.entries = 0

    async def take(self, entries: Sequence[FeedEntry]) -> None:
        """Count."""
        self.entries += len(entries)


async def measure(url: str, turns: int, per_second: float) -> dict[int, tuple[float, float]]:
    """Milliseconds of a turn in this process and in Valkey, by the number of consumers; medians of five rounds."""
    found: dict[int, list[tuple[float, float]]] = {count: [] for count in CONSUMERS}
    for number in range(5):
        for count in CONSUMERS:
            store = connect(url, prefix=f"feed-{number}-{count}")
            counters = [Counter(f"counter-{i}") for i in range(count)]
            async with _reading(store, counters):
                found[count].append(await _round(store, url, turns, per_second))
            await store.aclose()
            assert all(counter.entries == 2 * turns + CONVERSATIONS for counter in counters), "an entry was not heard"
    return {
        count: (statistics.median(own for own, _ in rounds), statistics.median(other for _, other in rounds))
        for count, rounds in found.items()
    }


@asynccontextmanager
async def _reading(store: Store, consumers: Sequence[Counter]) -> AsyncIterator[None]:
    engine = FeedEngine(store, consumers, group_days=1, max_entries=100_000)
    await engine.register()
    reading = asyncio.create_task(engine.run())
    await asyncio.sleep(1.5)  # until it holds its leases
    yield
    reading.cancel()
    await asyncio.wait({reading})


async def _round(store: Store, url: str, turns: int, per_second: float) -> tuple[float, float]:
    conversations = LocalConversations(store, Catalog([Agent(name="a", model=ScriptedModel([Step("Hello.")] * turns))]))
    names = [f"c{i}" for i in range(CONVERSATIONS)]
    for name in names:
        await conversations.open(name, principal="ada")
    own, other, begun = time.process_time(), await _server_seconds(url), time.perf_counter()
    running = []
    for turn in range(turns):
        message = UserMessage(content=[{"type": "text", "text": "hello"}], principal="ada", on_busy="queue")
        running.append(asyncio.create_task(conversations.send(names[turn % CONVERSATIONS], message, PERSON)))
        await asyncio.sleep(max(0.0, begun + (turn + 1) / per_second - time.perf_counter()))
    await asyncio.gather(*running)
    for conversation in tuple(conversations.live.values()):
        await conversation.rest()
    await asyncio.sleep(0.5)
    spent = time.process_time() - own, await _server_seconds(url) - other
    await conversations.aclose()
    return spent[0] * 1000 / turns, spent[1] * 1000 / turns


async def _server_seconds(url: str) -> float:
    async with Redis.from_url(url) as redis:
        found = await redis.info("cpu")
    return float(found["used_cpu_user"] + found["used_cpu_sys"])


def main() -> None:
    """Print what a turn takes, without and with the feed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.feed", description=__doc__)
    parser.add_argument("--turns", type=int, default=400, help="of a round")
    parser.add_argument("--per-second", type=float, default=100.0, help="how many turns begin in a second")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, EmbeddedServer(Path(directory)) as server:
        found = uvloop.run(measure(server.url, options.turns, options.per_second))
    base_own, base_other = found[0]
    print(f"without a feed      {base_own:.3f} ms here, {base_other:.3f} ms in Valkey")
    for count in CONSUMERS[1:]:
        own, other = found[count]
        more = own + other - base_own - base_other
        print(f"with {count} consumer(s)  {own:.3f} ms here, {other:.3f} ms in Valkey: {more:+.3f} ms a turn")


if __name__ == "__main__":
    main()

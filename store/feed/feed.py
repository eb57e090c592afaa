"""The streams of the feed: groups register, read on from where they are, and acknowledge what they have."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from store.client.client import Client, Reply
from store.client.lease import Lease
from store.client.script import (
    FEED_ACKNOWLEDGE,
    FEED_DROP,
    FEED_REGISTER,
    FEED_SET_ASIDE,
    Argument,
    LuaScript,
)
from store.feed.entry import FeedEntry, Position, decode_entry
from store.feed.state import GroupState, position_in, states_of
from store.keys import PARTITIONS, Keys
from store.live.subscriber import LiveSubscriber
from store.live.subscription import Subscription

MAX_ENTRIES = 100_000
"""Entries of a partition that wait for the slowest group, at most; about 30 MB. Older ones are cut off."""
MAX_ASIDE = 1000
ASIDE_SECONDS = 30 * 24 * 3600


@dataclass(frozen=True, slots=True)
class ReadEntry:
    """One entry of a stream: what it tells, or the `problem` if no script of ours can have written it.

    Such an entry has no number of its own, but that of the entry before it.
    """

    position: Position
    told: Sequence[FeedEntry]
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """`group` has everything up to `position`, but for `lost` entries that were cut off before it had them."""

    group: str
    position: Position
    lost: int = 0


class Feed:
    """Reads the feed. Every call may raise StoreUnavailable."""

    def __init__(self, client: Client, keys: Keys, subscriber: LiveSubscriber) -> None:
        self._client = client
        self._keys = keys
        self._subscriber = subscriber

    def listen(self) -> AbstractAsyncContextManager[Subscription]:
        """The messages are numbers of partitions that have a new entry; see `LiveSubscriber.subscribe`."""
        return self._subscriber.subscribe_to_feed()

    async def register(self, groups: Sequence[str], now: int, max_entries: int = MAX_ENTRIES) -> None:
        """Register the groups in every partition; one that is new hears of what happens from now on."""
        channel = self._keys.feed_channel
        await self._in_each(FEED_REGISTER, lambda partition: [max_entries, channel, partition, now, *groups])

    async def drop(self, group: str, unseen_since: int) -> bool:
        """Forget a group if it has had no consumer since then (ms); the feed keeps nothing for it any more."""
        return any(await self._in_each(FEED_DROP, lambda _: [group, unseen_since]))

    async def cursors(self, group: str, partitions: Sequence[int]) -> list[Position]:
        """How far the group has read each of the partitions."""
        found = await self._hashes(partitions, f"cursor:{group}")
        return [position_in(value) for value in found]

    async def added(self, partitions: Sequence[int]) -> list[int]:
        """How many entries were ever added to each of the partitions: the number of the last one."""
        return [int(value or 0) for value in await self._hashes(partitions, "added")]

    async def read(self, partition: int, after: Position, limit: int) -> list[ReadEntry]:
        """The first `limit` entries behind a position, oldest first."""
        stream = self._keys.feed(partition).stream
        found: Reply = await self._client.retry(
            lambda: self._client.redis.xrange(stream, min=f"({after.id}", count=limit)
        )
        entries: list[ReadEntry] = []
        number = after.number
        for stream_id, fields in found:
            entry = _read(partition, stream_id, fields, number)
            number = entry.position.number
            entries.append(entry)
        return entries

    async def acknowledge(self, partition: int, acknowledged: Iterable[Acknowledged]) -> None:
        """Note how far groups have read; what every group has goes. A cursor never goes back."""
        arguments: list[Argument] = []
        for one in acknowledged:
            arguments += (one.group, one.position.id, one.position.number, one.lost)
        await self._run(FEED_ACKNOWLEDGE, partition, arguments)

    async def set_aside(self, partition: int, group: str, position: Position, problem: str) -> bool:
        """Keep an entry for a month that the group cannot take, and let it read on behind it."""
        arguments: list[Argument] = [group, position.id, position.number, problem, MAX_ASIDE, ASIDE_SECONDS]
        keys = self._keys.feed(partition)
        names = [keys.stream, keys.groups, keys.aside]
        return bool(await self._client.retry(lambda: self._client.run(FEED_SET_ASIDE, names, arguments)))

    def lease(self, number: int) -> Lease:
        """The lease of a range of partitions: who has it reads them."""
        return Lease(self._client, self._keys.feed_lease(number))

    async def states(self) -> list[GroupState]:
        """Every group, by name."""

        async def ask_all() -> Reply:
            pipeline = self._client.pipeline()
            for partition in range(PARTITIONS):
                pipeline.hgetall(self._keys.feed(partition).groups)
            return await pipeline.execute()

        found: Sequence[Mapping[bytes, bytes]] = await self._client.retry(ask_all)
        states = states_of(found)
        for state in states:
            firsts = await asyncio.gather(*(self._added_at(*position) for position in state.behind.items()))
            state.oldest_at = min((at for at in firsts if at is not None), default=None)
        return states

    async def _added_at(self, partition: int, after: Position) -> int | None:
        """When (ms) the first entry behind a position was added."""
        stream = self._keys.feed(partition).stream
        found: Reply = await self._client.retry(lambda: self._client.redis.xrange(stream, min=f"({after.id}", count=1))
        return int(found[0][0].partition(b"-")[0]) if found else None

    async def _in_each(self, script: LuaScript, arguments: Callable[[int], Sequence[Argument]]) -> list[Reply]:
        return list(
            await asyncio.gather(
                *(self._run(script, partition, arguments(partition)) for partition in range(PARTITIONS))
            )
        )

    async def _hashes(self, partitions: Sequence[int], field: str) -> Reply:
        async def ask_all() -> Reply:
            pipeline = self._client.pipeline()
            for partition in partitions:
                pipeline.hget(self._keys.feed(partition).groups, field)
            return await pipeline.execute()

        return await self._client.retry(ask_all) if partitions else []

    async def _run(self, script: LuaScript, partition: int, arguments: Sequence[Argument]) -> Reply:
        keys = self._keys.feed(partition)
        return await self._client.retry(lambda: self._client.run(script, [keys.stream, keys.groups], arguments))


def _read(partition: int, stream_id: bytes, fields: Mapping[bytes, bytes], number: int) -> ReadEntry:
    try:
        return ReadEntry(*decode_entry(partition, stream_id, fields))
    except (KeyError, ValueError, TypeError) as error:
        return ReadEntry(Position(stream_id.decode(), number), (), f"{type(error).__name__}: {error}")

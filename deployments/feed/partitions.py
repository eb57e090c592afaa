"""What the readers of a process share of the feed: one read for all of them, acknowledgements that leave together."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence

import structlog

from store import Store
from store.feed.entry import Position
from store.feed.feed import Acknowledged, ReadEntry

log = structlog.get_logger(__name__)

CHUNK_ENTRIES = 256
"""How many entries of a partition are read at once, so that a group that was away for long needs little memory."""
SHARED_SECONDS = 0.02
"""How old a read under way may be that another reader joins: what came into the feed since would be missed."""
ACKNOWLEDGE_SECONDS = 2.0
"""How long an acknowledgement waits for others; sent one by one they would be half of the cost. What it is about comes
again if the process dies meanwhile."""


class SharedFeed:
    """Reads partitions, once for all readers that are at the same place, and collects what they acknowledge."""

    def __init__(self, store: Store) -> None:
        self._feed = store.feed
        self._changes = Counter[int]()
        self._reading: dict[tuple[int, str, int, int], asyncio.Task[list[ReadEntry]]] = {}
        self._unsent: dict[int, dict[str, Acknowledged]] = {}
        self._sending: asyncio.Task[None] | None = None

    def note_change(self, partition: int) -> None:
        """A read that began before this may lack what is new."""
        self._changes[partition] += 1

    async def cursors(self, group: str, partitions: Sequence[int]) -> list[Position]:
        """Where the group goes on, what has not been sent yet included. Raises StoreUnavailable."""
        known = await self._feed.cursors(group, partitions)
        unsent = [self._unsent.get(partition, {}).get(group) for partition in partitions]
        return [
            one.position if one is not None and one.position.number > cursor.number else cursor
            for cursor, one in zip(known, unsent, strict=True)
        ]

    async def read(self, partition: int, after: Position) -> Sequence[ReadEntry]:
        """The next entries, at most `CHUNK_ENTRIES`; the readers share them. Raises StoreUnavailable."""
        moment = int(time.monotonic() / SHARED_SECONDS)
        key = (partition, after.id, self._changes[partition], moment)
        reading = self._reading.get(key)
        if reading is None:
            reading = self._reading[key] = asyncio.create_task(self._feed.read(partition, after, CHUNK_ENTRIES))
            reading.add_done_callback(lambda _: self._reading.pop(key))
        return await asyncio.shield(reading)

    def acknowledge(self, partition: int, one: Acknowledged) -> None:
        """Say soon that the group has it."""
        groups = self._unsent.setdefault(partition, {})
        before = groups.get(one.group)
        groups[one.group] = one if before is None else Acknowledged(one.group, one.position, before.lost + one.lost)
        if self._sending is None:
            self._sending = asyncio.create_task(self._send_soon())

    async def set_aside(self, partition: int, group: str, position: Position, problem: str) -> None:
        """Let the group go on behind an entry, which is kept elsewhere. Raises StoreUnavailable."""
        await self.send()
        await self._feed.set_aside(partition, group, position, problem)

    async def send(self) -> None:
        """Send what is acknowledged; what cannot be sent waits for the next time."""
        unsent, self._unsent = self._unsent, {}
        partitions = list(unsent)
        sending = (self._feed.acknowledge(partition, unsent[partition].values()) for partition in partitions)
        for partition, outcome in zip(partitions, await asyncio.gather(*sending, return_exceptions=True), strict=True):
            if not isinstance(outcome, BaseException):
                continue
            if not isinstance(outcome, Exception):
                raise outcome
            log.warning("feed_not_acknowledged", partition=partition, cause=str(outcome))
            later = self._unsent.setdefault(partition, {})
            for group, one in unsent[partition].items():
                later.setdefault(group, one)

    async def _send_soon(self) -> None:
        try:
            while True:
                await asyncio.sleep(ACKNOWLEDGE_SECONDS)
                await self.send()
                if not self._unsent:
                    return
        finally:
            self._sending = None

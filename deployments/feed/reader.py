"""One consumer's reading: what is new, chunk by chunk; an entry that fails holds up its own partition only."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import structlog

from deployments.feed.consumer import Consumer
from deployments.feed.partitions import CHUNK_ENTRIES, SharedFeed
from store import StoreError, StoreUnavailable
from store.feed.entry import Position
from store.feed.feed import Acknowledged, ReadEntry

log = structlog.get_logger(__name__)

GATHER_SECONDS = 0.25
"""How long a reader that was woken waits for further entries: they cost less together. For what comes within
200 ms no reader is woken (store/scripts/parts/tell_feed.lua), so it must not read earlier without reading again."""
TICK_SECONDS = 0.1
"""Readers begin at multiples of it, so that all partitions and groups are read together."""
MAX_PARTITIONS = 8
"""How many partitions are read at once: a chunk of each is in memory."""
TAKE_SECONDS = 60.0
"""How long a consumer may need for what it is given before that counts as failed."""
FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.5, 60.0
MAX_STRIKES = 5
"""An entry is set aside when it has failed so often while other entries were taken in between: so it is the entry, and
not what the consumer works with. Until then, and while nothing can be taken, its partition waits."""
STORE_AWAY = "the store is away"
"""Why an entry was not taken that will be: in a cluster only some consumers' keys may be out of reach."""


@dataclass(slots=True)
class Failure:
    """The entry of a partition that the consumer could not take, how often, and when (monotonic) it is tried again."""

    position: Position
    tries: int
    again_at: float
    taken: int
    strikes: int = 0


class GroupReader:
    """Gives one consumer what is new in the partitions of which this process holds the lease; `holds` says of which.

    It is read once `settle` returns.
    """

    def __init__(
        self,
        consumer: Consumer,
        feed: SharedFeed,
        holds: Callable[[int], bool],
        settle: Callable[[], Awaitable[None]],
    ) -> None:
        self.name = consumer.name
        self.failures: dict[int, Failure] = {}
        self._consumer = consumer
        self._feed = feed
        self._holds = holds
        self._settle = settle
        self._positions: dict[int, Position | None] = {}
        self._due: dict[int, float] = {}
        self._wanted: dict[int, float] = {}
        self._sleeps_until = 0.0
        self._doubtful: set[int] = set()
        self._woken = asyncio.Event()
        self._taken = 0

    def add(self, partitions: Iterable[int]) -> None:
        """Read these from now on, from where the group is."""
        for partition in partitions:
            self._positions.setdefault(partition, None)
            self.wake(partition)

    def remove(self, partitions: Iterable[int]) -> None:
        """Leave these to another process."""
        for partition in partitions:
            self._positions.pop(partition, None)
            self.failures.pop(partition, None)
            self._due.pop(partition, None)
            self._wanted.pop(partition, None)

    def wake(self, partition: int) -> None:
        """There is something new."""
        if partition in self._positions:
            at = self._wanted[partition] = _tick_after(time.monotonic() + GATHER_SECONDS)
            self._due.setdefault(partition, at)
            if at < self._sleeps_until:
                self._woken.set()

    def _read_again(self, partitions: Iterable[int]) -> None:
        """Without waiting for further entries."""
        for partition in partitions:
            if partition in self._positions:
                self._due[partition] = 0.0

    def compare(self, partition: int, added: int) -> None:
        """Look again if the last entry of the partition has another number than the last one that was read.

        So a wake that was lost costs some seconds. If there is nothing, the position is wrong: a server has lost its
        last entries, and its clock is behind.
        """
        position = self._positions.get(partition)
        if position is not None and position.number != added:
            self._doubtful.add(partition)
            self.wake(partition)

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            await self._wait()
            await self._settle()
            ready = self._ready()[:MAX_PARTITIONS]
            self._begin(ready)
            try:
                await self._read_on(ready)
            except StoreError as error:
                log.warning("feed_not_read", group=self.name, cause=str(error))
                self._read_again(ready)
                await asyncio.sleep(FIRST_PAUSE_SECONDS)

    async def _wait(self) -> None:
        """Until a partition is due, and not paused."""
        while not self._ready():
            self._woken.clear()
            times = [max(at, self._paused_until(partition)) for partition, at in self._due.items()]
            self._sleeps_until = min(times, default=float("inf"))
            pause = max(0.0, self._sleeps_until - time.monotonic()) if times else None
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), pause)
            self._sleeps_until = 0.0

    def _ready(self) -> list[int]:
        now = time.monotonic()
        return [p for p, at in self._due.items() if at <= now and self._paused_until(p) <= now]

    def _paused_until(self, partition: int) -> float:
        failure = self.failures.get(partition)
        return 0.0 if failure is None else failure.again_at

    def _begin(self, partitions: Iterable[int]) -> None:
        """One that was woken again since it became due is read once more after that."""
        now = time.monotonic()
        for partition in partitions:
            wanted = self._wanted.get(partition, 0.0)
            if wanted > now:
                self._due[partition] = wanted
            else:
                del self._due[partition]

    async def _read_on(self, partitions: Sequence[int]) -> None:
        unknown = [partition for partition in partitions if self._positions.get(partition) is None]
        if unknown:
            for partition, cursor in zip(unknown, await self._feed.cursors(self.name, unknown), strict=True):
                if partition in self._positions:
                    self._positions[partition] = cursor
        held = {partition: at for partition in partitions if (at := self._positions.get(partition)) is not None}
        chunks = await asyncio.gather(*(self._feed.read(partition, at) for partition, at in held.items()))
        found = {p: chunk for p, chunk in zip(held, chunks, strict=True) if chunk and self._holds(p)}
        self._look_again(partition for partition in self._doubtful & held.keys() if partition not in found)
        self._doubtful.difference_update(held)
        self._read_again(partition for partition, chunk in found.items() if len(chunk) == CHUNK_ENTRIES)
        plain = {p: chunk for p, chunk in found.items() if p not in self.failures and not any(e.problem for e in chunk)}
        if plain and await self._take([entry for chunk in plain.values() for entry in chunk]) is None:
            for partition, chunk in plain.items():
                self._go_on(partition, chunk)
            found = {partition: chunk for partition, chunk in found.items() if partition not in plain}
        for partition, chunk in found.items():
            await self._take_one_by_one(partition, chunk)

    def _look_again(self, partitions: Iterable[int]) -> None:
        """From where the store says that the group is."""
        for partition in partitions:
            self._positions[partition] = None
            self._due[partition] = 0.0

    async def _take_one_by_one(self, partition: int, chunk: Sequence[ReadEntry]) -> None:
        """As far as it goes: the entry that fails pauses the partition, or is set aside."""
        for entry in chunk:
            if not self._holds(partition):
                return
            error = entry.problem or await self._take([entry])
            if error is not None and not await self._has_set_aside(partition, entry, error):
                self._due[partition] = 0.0
                return
            self.failures.pop(partition, None)
            self._go_on(partition, [entry])

    async def _take(self, entries: Sequence[ReadEntry]) -> str | None:
        """Why the consumer did not take them; None if it did."""
        told = [one for entry in entries for one in entry.told]
        try:
            async with asyncio.timeout(TAKE_SECONDS):
                await self._consumer.take(told)
        except TimeoutError:
            return f"it did not come to an end, or not within {TAKE_SECONDS:.0f} s"
        except StoreUnavailable as error:
            return f"{STORE_AWAY}: {error.reason}"
        except Exception as error:  # noqa: BLE001 - a consumer's error is its own; the engine and the others go on
            return f"{type(error).__name__}: {error}"
        self._taken += 1
        return None

    async def _has_set_aside(self, partition: int, entry: ReadEntry, error: str) -> bool:
        """Whether the group goes on behind an entry that cannot be taken; if not, it is tried again after a pause."""
        failure = self.failures.get(partition)
        if failure is None or failure.position != entry.position:
            failure = self.failures[partition] = Failure(entry.position, 0, 0.0, self._taken)
        failure.tries += 1
        failure.strikes += self._taken > failure.taken and not error.startswith(STORE_AWAY)
        failure.taken = self._taken
        where = {"group": self.name, "partition": partition, "entry": entry.position.id, "cause": error}
        if entry.problem or failure.strikes >= MAX_STRIKES:
            log.error("feed_entry_set_aside", **where, tries=failure.tries)
            await self._feed.set_aside(partition, self.name, entry.position, error)
            return True
        pause = min(FIRST_PAUSE_SECONDS * 2 ** min(failure.tries - 1, 10), MAX_PAUSE_SECONDS)
        failure.again_at = time.monotonic() + pause
        (log.error if failure.tries >= MAX_STRIKES else log.warning)(
            "feed_entry_not_taken", **where, tries=failure.tries
        )
        return False

    def _go_on(self, partition: int, chunk: Sequence[ReadEntry]) -> None:
        """The group has these entries. If their numbers do not follow on, some were cut off before it had them."""
        before, last = self._positions.get(partition), chunk[-1].position
        if before is None:
            return  # the lease is another process's by now: that one reads them again
        lost = max(0, chunk[0].position.number - before.number - 1)
        if lost:
            log.error("feed_entries_lost", group=self.name, partition=partition, entries=lost)
        self._positions[partition] = last
        self._feed.acknowledge(partition, Acknowledged(self.name, last, lost))


def _tick_after(at: float) -> float:
    return math.ceil(at / TICK_SECONDS) * TICK_SECONDS

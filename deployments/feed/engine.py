"""The engine of the feed, in every replica of the ingress; a range of partitions is read by one of them at a time."""

import asyncio
import random
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import structlog

from agents.arrivals import Arrivals
from agents.clock import now_ms
from deployments.background.periodic import run_periodically
from deployments.feed.consumer import Consumer
from deployments.feed.partitions import SharedFeed
from deployments.feed.reader import GroupReader
from store import Store, StoreError
from store.errors import MissedEvents
from store.keys import PARTITIONS

log = structlog.get_logger(__name__)

LEASES = 4
"""Ranges of partitions; each has its reader, so so many replicas share the work."""
PARTITIONS_OF_LEASE = PARTITIONS // LEASES
LEASE_SECONDS = 10.0
"""After so long another process reads on where one has died."""
RENEWAL_SECONDS = 3.0
SPREAD_SECONDS = 0.2
"""Between two leases that a process takes, so that replicas that start together share them."""
MARGIN_SECONDS = 2.0
"""So long before its end a lease that could not be renewed counts as lost."""
SWEEP_SECONDS = 10.0
"""How often the readers look by themselves whether there is something new, should a wake have been lost."""
UPKEEP_SECONDS = 60.0
DAY_MS = 24 * 3600 * 1000
LATE_MS = 5 * 60 * 1000
PAUSE_SECONDS = 1.0


class FeedEngine:
    """Hands the consumers what happens: at least once, in order per partition, and so per conversation.

    `group_days` is how long what a group lacks is kept for it after its consumer has gone from the code; `max_entries`
    is how much of a partition waits for the slowest group at most. What is new is read after the `arrivals` of that
    moment: people who wait for an answer come first.
    """

    def __init__(
        self,
        store: Store,
        consumers: Sequence[Consumer],
        *,
        group_days: float,
        max_entries: int,
        arrivals: Arrivals | None = None,
    ) -> None:
        names = [consumer.name for consumer in consumers]
        if len({*names}) < len(names):
            raise ValueError(f"two consumers of the feed have the same name: {sorted(names)}")
        self._feed = store.feed
        self.names = names
        self._group_ms = round(group_days * DAY_MS)
        self._max_entries = max_entries
        self._holder = secrets.token_hex(8)
        self._held: dict[int, float] = {}
        self._has_taken_lease = False
        self._shared = SharedFeed(store)
        before = arrivals or Arrivals()
        self.readers = [GroupReader(consumer, self._shared, self._holds, before.settle) for consumer in consumers]

    async def register(self) -> None:
        """Make that there is a feed, so that nothing is missed from now on. Raises StoreUnavailable."""
        if self.names:
            await self._feed.register(self.names, now_ms(), self._max_entries)

    async def run(self) -> None:
        """Read until cancelled; then the leases are given back, and other replicas read on at once."""
        if not self.names:
            return
        work = (
            _go_on_for_ever(self._listen),
            run_periodically(self._hold_leases, self._pause, "feed_leases_not_held"),
            run_periodically(self._sweep, SWEEP_SECONDS, "feed_not_swept"),
            run_periodically(self._tend_groups, UPKEEP_SECONDS, "feed_groups_not_tended"),
            *(_go_on_for_ever(reader.run) for reader in self.readers),
        )
        tasks = [asyncio.create_task(one) for one in work]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await self._stop()

    async def _stop(self) -> None:
        with suppress(StoreError):
            await self._shared.send()
            await asyncio.gather(*(self._feed.lease(lease).release(self._holder) for lease in self._held))

    async def _listen(self) -> None:
        """Wake the readers of the partitions in which there is something new."""
        while True:
            try:
                async with self._feed.listen() as changes:
                    self._wake(range(PARTITIONS))
                    while True:
                        try:
                            changed: int = await changes.get()  # type: ignore[assignment]
                        except MissedEvents:
                            self._wake(range(PARTITIONS))
                        else:
                            self._wake((changed,))
            except StoreError:
                await asyncio.sleep(PAUSE_SECONDS)

    def _wake(self, partitions: Sequence[int]) -> None:
        for partition in partitions:
            self._shared.note_change(partition)
            for reader in self.readers:
                reader.wake(partition)

    async def _hold_leases(self) -> None:
        """Renew the leases held, and take one that is free."""
        self._has_taken_lease = False
        for lease in [lease for lease in self._held if not self._holds(_partitions(lease)[0])]:
            self._lose(lease)
        for lease in (*self._held,):
            if not await self._hold(lease):
                self._lose(lease)
        others = [lease for lease in range(LEASES) if lease not in self._held]
        for lease in random.sample(others, len(others)):
            if await self._hold(lease):
                self._has_taken_lease = True
                for reader in self.readers:
                    reader.add(_partitions(lease))
                return

    def _pause(self) -> float:
        return SPREAD_SECONDS if self._has_taken_lease else RENEWAL_SECONDS

    async def _hold(self, lease: int) -> bool:
        until = time.monotonic() + LEASE_SECONDS - MARGIN_SECONDS
        if not await self._feed.lease(lease).hold(self._holder, round(LEASE_SECONDS * 1000)):
            return False
        self._held[lease] = until
        return True

    def _holds(self, partition: int) -> bool:
        return self._held.get(partition // PARTITIONS_OF_LEASE, 0.0) > time.monotonic()

    def _lose(self, lease: int) -> None:
        del self._held[lease]
        log.warning("feed_lease_lost", lease=lease)
        for reader in self.readers:
            reader.remove(_partitions(lease))

    async def _sweep(self) -> None:
        held = [partition for lease in self._held for partition in _partitions(lease)]
        for partition, added in zip(held, await self._feed.added(held), strict=True):
            for reader in self.readers:
                reader.compare(partition, added)

    async def _tend_groups(self) -> None:
        """Say that the groups have their consumers; drop the groups that have none, and name the late ones."""
        await self.register()
        if 0 not in self._held:
            return
        now = now_ms()
        for state in await self._feed.states():
            if state.name not in self.names and state.seen_at < now - self._group_ms:
                if await self._feed.drop(state.name, now - self._group_ms):
                    log.warning("feed_group_dropped", group=state.name, lag=state.lag)
            elif state.oldest_at is not None and state.oldest_at < now - LATE_MS:
                log.warning("feed_group_late", group=state.name, lag=state.lag, seconds=(now - state.oldest_at) // 1000)


async def _go_on_for_ever(work: Callable[[], Awaitable[None]]) -> None:
    """Begin anew after an error that should not be; what it was about, the sweep finds."""
    while True:
        try:
            await work()
        except Exception:
            log.exception("feed_work_failed")
            await asyncio.sleep(PAUSE_SECONDS)


def _partitions(lease: int) -> range:
    return range(lease * PARTITIONS_OF_LEASE, (lease + 1) * PARTITIONS_OF_LEASE)

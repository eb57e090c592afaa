"""Recovery without a knock: turns whose owner died are found in the index of the unfinished, and woken at the door."""

import asyncio
import random
from collections.abc import Iterable

import structlog

from agents.clock import now_ms
from deployments.door import Door
from store import Store

log = structlog.get_logger(__name__)

PERIOD_SECONDS = 1.0
GRACE_MS = 1000
BATCH = 10_000
AT_ONCE = 8


class Sweeper:
    """Runs in every ingress replica; what two of them do at once the door makes one."""

    def __init__(self, store: Store, door: Door, cluster: str) -> None:
        self._cluster = cluster
        self._store = store
        self._door = door
        self._bound = asyncio.Semaphore(AT_ONCE)

    async def run(self) -> None:
        """Sweep until cancelled; trouble is logged and tried again."""
        while True:
            try:
                await self.sweep()
            except Exception as error:  # noqa: BLE001 - the sweep outlives whatever is away
                log.warning("sweep_failed", cause=str(error))
            await asyncio.sleep(PERIOD_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311 - replicas need not sweep together

    async def sweep(self) -> None:
        """Wake every conversation that is due and lives nowhere; another cluster sees to its own while it is there."""
        others = await self._store.clusters.report(self._cluster)
        due = await self._store.registry.unfinished(now_ms() - GRACE_MS, BATCH)
        if due:
            await self._wake_all(await self._door.lost(await self._store.registry.places(due, others)))

    async def _wake_all(self, conversation_ids: Iterable[str]) -> None:
        await asyncio.gather(*map(self._wake, conversation_ids))

    async def _wake(self, conversation_id: str) -> None:
        async with self._bound:
            try:
                await self._door.wake(conversation_id)
            except Exception as error:  # noqa: BLE001 - one conversation must not keep the others waiting
                log.warning("wake_failed", conversation=conversation_id, cause=str(error))
            else:
                log.info("woken", conversation=conversation_id)

"""Looks after work whose process has died: batches that do not know of their job's end, and what replays have left."""

import asyncio
from typing import Final

from agents.clock import now_ms
from deployments.background.periodic import run_periodically
from deployments.batches.client import BatchClient
from deployments.process.store import connect_store
from deployments.replay.left_conversations import delete_left
from deployments.replay.run_some import APART
from deployments.settings import Settings
from store import Store

BATCHES_SECONDS: Final = 60.0
REPLAYS_SECONDS: Final = 600.0


class LeftWork:
    """Runs in every ingress replica; that several do the same does no harm."""

    def __init__(self, settings: Settings, store: Store, batches: BatchClient) -> None:
        self._settings = settings
        self._store = store
        self._batches = batches

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(run_periodically(self._batches.follow_jobs, BATCHES_SECONDS, "batches_not_looked_after"))
            group.create_task(run_periodically(self._delete_left, REPLAYS_SECONDS, "replays_not_looked_after"))

    async def _delete_left(self) -> None:
        apart = connect_store(self._settings, apart=APART)  # seldom, so no connection is kept for it
        try:
            await delete_left(self._store, apart, now_ms())
        finally:
            await apart.aclose()

"""How many workers there should be: as many requests are held open at the deployment `work` as the backlog asks for."""

import asyncio
import math
import secrets
from collections.abc import Awaitable
from typing import Protocol

import structlog

from agents.clock import now_ms
from deployments.background.periodic import run_periodically
from deployments.settings import Settings
from deployments.work.client import LOST_MS
from deployments.work.job_type import PLACES, PRIORITIES
from store import Store

log = structlog.get_logger(__name__)

PERIOD_SECONDS = 5.0
LEASE_MS = 15_000
"""How long the one that says how many may be silent."""
HOLD_SECONDS = 20.0
"""How long one request is held; if there is still need, another follows it."""


class Hold(Protocol):
    """The method `hold` of the deployment `work`, by its handle."""

    def __call__(self, seconds: float) -> Awaitable[None]: ...


class WorkerSupply:
    """Runs in every ingress replica; the one that has the lease says how many."""

    def __init__(self, settings: Settings, store: Store, hold: Hold) -> None:
        self._most = max(1, settings.max_workers)
        self._store = store
        self._lease = store.jobs.supply_lease()
        self._hold_open = hold
        self._holder = secrets.token_hex(6)
        self._held: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Look at the backlog until cancelled."""
        try:
            await run_periodically(self.look, PERIOD_SECONDS, "backlog_not_known")
        finally:
            for task in self._held:
                task.cancel()

    async def look(self) -> None:
        """Hold as many requests open as there should be workers."""
        if not await self._lease.hold(self._holder, LEASE_MS):
            return
        backlog = await self._store.jobs.backlog(PRIORITIES, now_ms())
        wanted = max(math.ceil(backlog[priority] / PLACES[priority]) for priority in PRIORITIES)
        if not wanted:  # but one that is overdue may have no place on its queue: a worker puts it back
            wanted = min(1, await self._store.jobs.count_open(now_ms() - LOST_MS))
        for _ in range(len(self._held), min(wanted, self._most)):
            task = asyncio.create_task(self._hold())
            self._held.add(task)
            task.add_done_callback(self._held.discard)

    async def _hold(self) -> None:
        try:
            await self._hold_open(HOLD_SECONDS)
        except Exception as error:  # noqa: BLE001 - it is asked for again
            log.warning("worker_not_held", cause=str(error))

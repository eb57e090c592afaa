"""Writes to the audit what the door has refused, and removes what is older than it is kept."""

import asyncio
import time
from typing import Final

import structlog

from agents.clock import now_ms
from deployments.access.auditing import Auditor
from deployments.access.refusals import RefusalCounts
from deployments.background.periodic import run_periodically
from store import Store
from store.audit.lines import Head

log = structlog.get_logger(__name__)

PERIOD_SECONDS: Final = 10.0
TRIM_SECONDS: Final = 3600.0
FIRST_SECONDS: Final = 60.0
DAY_MS: Final = 86_400_000
FINISH_SECONDS: Final = 2.0


class AuditUpkeep:
    """Runs in every ingress replica; that several remove the same lines does no harm."""

    def __init__(self, store: Store, auditor: Auditor, refusals: RefusalCounts, days: float) -> None:
        self._store = store
        self._auditor = auditor
        self._refusals = refusals
        self._kept_ms = round(days * DAY_MS)
        self._trimmed_at = time.monotonic() - TRIM_SECONDS + FIRST_SECONDS
        self._told: dict[str, Head] = {}

    async def run(self) -> None:
        """Until cancelled."""
        await run_periodically(self._look, PERIOD_SECONDS, "audit_not_kept_up")

    async def write_refusals(self, *, at_once: bool = False) -> None:
        """Write what is due of what was refused."""
        for tenant, events in self._refusals.take_due(now_ms(), at_once=at_once).items():
            await self._auditor.note(tenant, events)
        await self._auditor.flush()

    async def trim(self) -> None:
        """Remove what is old, about once a day from each chain; and log where the chains end.

        The logs are kept elsewhere: who changes the store cannot change what they say of it. Raises StoreUnavailable.
        """
        now = now_ms()
        for tenant in await self._store.audit.tenants():
            first = await self._store.audit.read(tenant, limit=1)
            slack = min(DAY_MS, self._kept_ms // 100)
            if first and first[0].fields()["recorded_at"] < now - self._kept_ms - slack:
                through = await self._store.audit.trim(tenant, now - self._kept_ms, now)
                log.info("audit_trimmed", tenant=tenant, through=through)
            head = await self._store.audit.head(tenant)
            if head != self._told.get(tenant):
                self._told[tenant] = head
                log.info("audit_head", tenant=tenant, seq=head.seq, hash=head.hash)

    async def finish(self) -> None:
        """Write what has been counted: the replica ends."""
        try:
            await asyncio.wait_for(self.write_refusals(at_once=True), FINISH_SECONDS)
        except TimeoutError:
            log.warning("refusals_not_written")

    async def _look(self) -> None:
        await self.write_refusals()
        if time.monotonic() - self._trimmed_at >= TRIM_SECONDS:
            self._trimmed_at = time.monotonic()
            await self.trim()

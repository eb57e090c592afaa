"""The audit of the service that code is released to, written from a process of the application: it knows the store."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import ray
from ray.exceptions import RayError

from deployments.local.errors import first_line
from deployments.process.store import connect_store
from deployments.rollout.driver import live_nodes, start_on
from deployments.settings import Settings
from store import StoreUnavailable
from store.audit.lines import AuditEvent

WRITE_SECONDS = 60.0


class AuditOfCluster:
    """The lines of a cluster whose driver this process is; `runtime_env` is that of the application."""

    def __init__(self, runtime_env: Mapping[str, Any]) -> None:
        self._runtime_env = runtime_env

    async def append(self, tenant: str, events: Sequence[AuditEvent], now: int) -> None:
        """Raises StoreUnavailable."""
        written = start_on(next(iter(live_nodes())), write, tenant, events, now, runtime_env=self._runtime_env)
        try:
            await asyncio.to_thread(ray.get, written, timeout=WRITE_SECONDS)
        except RayError as error:
            cause = getattr(error, "cause", error)
            raise StoreUnavailable(
                cause.reason if isinstance(cause, StoreUnavailable) else first_line(cause)
            ) from error


def write(tenant: str, events: Sequence[AuditEvent], now: int) -> None:
    """In a process with the settings of the application."""
    asyncio.run(_write(tenant, events, now))


async def _write(tenant: str, events: Sequence[AuditEvent], now: int) -> None:
    store = connect_store(Settings())
    try:
        await store.audit.append(tenant, events, now)
    finally:
        await store.aclose()

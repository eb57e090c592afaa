"""Removes what is left of imports that a crash has ended between two of their conversations."""

from agents.clock import now_ms
from deployments.background.periodic import run_periodically
from store import Store

PERIOD_SECONDS = 600.0


class UnfinishedImports:
    """Runs in every ingress replica; to remove something twice does no harm."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def run(self) -> None:
        """Until cancelled."""
        await run_periodically(lambda: self._store.copies.sweep(now_ms()), PERIOD_SECONDS, "imports_not_swept")

"""Enters in all lists what code from before these lists has created, once after an upgrade."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from deployments.indexes.reindex import reindex_lists
from store import Store, StoreError

PASSES: Final = 2
"""The second one finds what replicas with older code created while they were replaced."""
BETWEEN_SECONDS: Final = 3600.0
PAUSE_SECONDS: Final = 10.0

log = structlog.get_logger(__name__)


class ListUpgrade:
    """Runs in every replica of the ingress; if two do it at once, the lists are the same."""

    def __init__(self, store: Store, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        self._store = store
        self._sleep = sleep

    async def run(self) -> None:
        """Until it is done, which the store remembers; or cancelled."""
        while (done := await self._passes()) < PASSES:
            if done:
                await self._sleep(BETWEEN_SECONDS)
            await self._make()

    async def _passes(self) -> int:
        while True:
            try:
                return await self._store.lists.passes()
            except StoreError:
                await self._pause()

    async def _make(self) -> None:
        try:
            await reindex_lists(self._store)
            await self._store.lists.note_pass()
        except StoreError as error:
            log.warning("lists_not_made", cause=str(error))
            await self._pause()

    async def _pause(self) -> None:
        await self._sleep(PAUSE_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311 - replicas need not do it together

"""What a middleware does while the store is away: it tries again, as the conversation itself does."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from store import StoreUnavailable

T = TypeVar("T")

PAUSE_SECONDS = 0.5
"""Between two attempts; the store's own time limit applies to each attempt."""

log = structlog.get_logger(__name__)


async def retry_while_store_is_away(operation: Callable[[], Awaitable[T]]) -> T:
    """The result of the first attempt that reaches the store.

    Waiting costs the turn nothing: none of its events can be logged before the store is back.
    """
    while True:
        try:
            return await operation()
        except StoreUnavailable as error:
            log.warning("store_unavailable", cause=str(error))
        await asyncio.sleep(PAUSE_SECONDS)

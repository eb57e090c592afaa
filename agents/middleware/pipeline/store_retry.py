"""What a middleware does while the store is away: it waits, as the conversation itself does."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from store import StoreUnavailable

T = TypeVar("T")

PAUSE = 0.5
"""Seconds between two attempts, each of which has the store's own patience."""

log = structlog.get_logger(__name__)


async def wait_out(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask until the store answers: nothing of the turn could be logged before that anyway."""
    while True:
        try:
            return await ask()
        except StoreUnavailable as error:
            log.warning("store_unavailable", cause=str(error))
        await asyncio.sleep(PAUSE)

"""Work that every ingress replica does again and again, beside its requests."""

import asyncio
import random
from collections.abc import Awaitable, Callable

import structlog

log = structlog.get_logger(__name__)


async def run_periodically(
    work: Callable[[], Awaitable[object]], seconds: float | Callable[[], float], trouble: str
) -> None:
    """Do it about every so many seconds until cancelled; a failure is logged as `trouble`, and it is tried again.

    A function is asked for the seconds after each time.
    """
    while True:
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - it goes on, whatever is away
            log.warning(trouble, cause=str(error))
        pause = seconds() if callable(seconds) else seconds
        await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311 - replicas need not do it together

"""Runs foreign asynchronous work with a timeout, in a task of its own: what it does to its task spares the caller."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

GRACE_SECONDS = 1.0
"""How long cancelled work may clean up while its caller waits; after that the caller goes on without it."""

T = TypeVar("T")

_abandoned: set[asyncio.Task[Any]] = set()


class TookTooLong(Exception):
    """The time is over. This is no TimeoutError: the work itself may raise that, for its own reasons."""


async def run_with_timeout(seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`; raises what it raises, `TookTooLong`, or CancelledError if the caller is cancelled.

    Work that cancels itself or exits the process fails with RuntimeError.
    """
    task = asyncio.create_task(_without_exits(work))
    try:
        await asyncio.wait({task}, timeout=seconds)
        if not task.done():
            raise TookTooLong
    finally:
        if not task.done():
            await _stop(task)
    if task.cancelled():
        raise RuntimeError("it was cancelled from inside")
    error = task.exception()
    if error is not None and not isinstance(error, Exception):
        raise RuntimeError(f"it raised {type(error).__name__}") from error
    return task.result()


async def _without_exits(work: Coroutine[Any, Any, T]) -> T:
    try:
        return await work
    except (SystemExit, KeyboardInterrupt) as error:  # either would end the event loop
        raise RuntimeError(f"it raised {type(error).__name__}") from error


async def _stop(task: asyncio.Task[Any]) -> None:
    _abandoned.add(task)  # the loop itself holds only weak references
    task.add_done_callback(_forget)
    task.cancel()
    await asyncio.wait({task}, timeout=GRACE_SECONDS)


def _forget(task: asyncio.Task[Any]) -> None:
    _abandoned.discard(task)
    if not task.cancelled():
        task.exception()  # marked as retrieved: asyncio would log it as lost

"""Runs foreign asynchronous work within a time, so that nothing it does to its task is felt by the caller."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

GRACE_SECONDS = 1.0
"""How long work that was told to stop may clean up while its caller waits; it is given up after that."""

Result = TypeVar("Result")

_given_up: set[asyncio.Task[Any]] = set()


class TookTooLong(Exception):
    """The time is over. Not a TimeoutError: the work may raise that for reasons of its own."""


async def within(seconds: float, work: Coroutine[Any, Any, Result]) -> Result:
    """The result of `work`; raises what it raises, `TookTooLong`, or CancelledError if the caller is cancelled.

    Work that cancels itself, exits or resists its end is a failure of the work's, a RuntimeError at worst.
    """
    task = asyncio.create_task(_tamed(work))
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


async def _tamed(work: Coroutine[Any, Any, Result]) -> Result:
    try:
        return await work
    except (SystemExit, KeyboardInterrupt) as error:  # they would end the event loop
        raise RuntimeError(f"it raised {type(error).__name__}") from error


async def _stop(task: asyncio.Task[Any]) -> None:
    _given_up.add(task)  # the loop itself holds tasks but weakly
    task.add_done_callback(_forget)
    task.cancel()
    await asyncio.wait({task}, timeout=GRACE_SECONDS)


def _forget(task: asyncio.Task[Any]) -> None:
    _given_up.discard(task)
    if not task.cancelled():
        task.exception()  # whatever it is, nobody wants to know any more

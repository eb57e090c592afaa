"""Runs a blocking function in a daemon thread of its own: one that never returns blocks nobody else."""

import asyncio
import contextvars
import threading
from collections.abc import Callable
from typing import Any


async def run_in_thread(function: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever the function returns
    """Await the function's result; it sees the caller's context variables.

    A thread cannot be stopped: when the caller is cancelled the function runs on and its result is dropped. A
    shared pool would be exhausted by such leftovers, and would hold up the exit of the process.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()
    context = contextvars.copy_context()

    def work() -> None:
        try:
            result = context.run(function)
        except BaseException as error:  # noqa: BLE001 - delivered to the caller
            _deliver(loop, _fail, future, error)
        else:
            _deliver(loop, _succeed, future, result)

    threading.Thread(target=work, name="tool", daemon=True).start()
    return await future


def _deliver(loop: asyncio.AbstractEventLoop, report: Callable[..., None], *arguments: object) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(report, *arguments)


def _succeed(future: "asyncio.Future[Any]", result: object) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: "asyncio.Future[Any]", error: BaseException) -> None:
    if future.done():
        return
    if isinstance(error, StopIteration):  # a future refuses to carry it
        error = RuntimeError("the function raised StopIteration")
    future.set_exception(error)

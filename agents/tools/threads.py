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


def on_loop(loop: asyncio.AbstractEventLoop, function: Callable[[Any], None]) -> Callable[[Any], None]:
    """The function for callers in other threads: it is called on the loop, in order, and not after its end."""

    def call(value: Any) -> None:  # noqa: ANN401 - any value
        _deliver(loop, function, value)

    return call


def _deliver(loop: asyncio.AbstractEventLoop, report: Callable[..., None], *arguments: object) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(report, *arguments)


def _succeed(future: "asyncio.Future[Any]", result: object) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: "asyncio.Future[Any]", error: BaseException) -> None:
    if future.done():
        return
    if isinstance(error, StopIteration) or not isinstance(error, Exception):
        # A future refuses the first; the others would be taken for the end of the caller.
        cause, error = error, RuntimeError(f"the function raised {type(error).__name__}")
        error.__cause__ = cause
    future.set_exception(error)

"""Runs a blocking function in a daemon thread of its own: a function that never returns blocks no other call."""

import asyncio
import contextvars
import threading
from collections.abc import Callable
from typing import Any


async def run_in_thread(function: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever the function returns
    """The function's result; the function sees the caller's context variables.

    A thread cannot be stopped: when the caller is cancelled the function runs on and its result is dropped. Such
    functions would exhaust a shared pool, and keep the process from exiting.
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
    """A function for other threads that has `function` called on the loop, in order, as long as the loop is open."""

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
        # A future refuses StopIteration; the others would be taken for the end of the caller.
        cause, error = error, RuntimeError(f"the function raised {type(error).__name__}")
        error.__cause__ = cause
    future.set_exception(error)

"""Runs one call of a server tool; every failure becomes an outcome that the model can read."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import structlog

from agents.context import in_context
from agents.errors import TaskLost, ToolError
from agents.interrupt import Interrupt
from agents.storable import storage_problem
from agents.tools.outcome import bounded_text, outcome_of
from agents.tools.remote import LocalTasks, pack_call, run_remote
from agents.tools.schema import bind
from agents.tools.threads import on_loop, run_in_thread
from agents.tools.timeout import TookTooLong, run_with_timeout
from agents.tools.tool import Tool, ToolContext, ToolOutcome

MAX_LOSSES = 2
"""How often a call is sent again after its process or node died; after that the call itself may be what kills it."""
FIRST_PAUSE, MAX_PAUSE = 0.1, 5.0
"""Seconds between two tries: the first pause, and the bound to which it doubles."""

MAX_STEP_SECONDS = 1.0
"""A tool that computes for longer without an await holds up all conversations of its process."""
BLOCKING_ADVICE = "make it a plain function, which runs in a thread, or await what it waits for"

Retryable = Literal["failed", "lost"]

log = structlog.get_logger(__name__)


async def allow() -> None:
    """Permit every try at once."""


async def run_tool(
    tool: Tool,
    arguments: Mapping[str, Any],
    context: ToolContext,
    permit: Callable[[], Awaitable[None]] = allow,
) -> ToolOutcome:
    """Run the tool, and retry it where its definition allows.

    Raises `Interrupt` if the tool asks people, CancelledError if the caller is cancelled. Every try has the same
    `tool_call_id`, its own timeout and its own copy of the arguments. Before each try `permit` is awaited; what it
    raises ends the call.
    """
    if tool.function is None or tool.signature is None or tool.executor != "server":
        return ToolOutcome(f"{tool.name} is not run by the server.", "error")
    with in_context(context.context):
        return await _run_with_retries(tool, arguments, context, permit)


async def _run_with_retries(
    tool: Tool, arguments: Mapping[str, Any], context: ToolContext, permit: Callable[[], Awaitable[None]]
) -> ToolOutcome:
    retries_left: dict[Retryable, int] = {"failed": tool.retries, "lost": MAX_LOSSES}
    pause = FIRST_PAUSE
    while True:
        await permit()
        outcome, reason = await _try(tool, arguments, context)
        if reason is None or retries_left[reason] == 0:
            return outcome
        retries_left[reason] -= 1
        await asyncio.sleep(pause)
        pause = min(2 * pause, MAX_PAUSE)


async def _try(tool: Tool, arguments: Mapping[str, Any], context: ToolContext) -> tuple[ToolOutcome, Retryable | None]:
    """One try, and the reason why another one may help, None if it may not."""
    try:
        named = bind(tool, arguments)
        return await run_with_timeout(tool.timeout, _execute(tool, named, context)), None
    except Interrupt as question:
        if (problem := storage_problem(question.args)) is not None:
            return ToolOutcome(f"{tool.name} asked a question that cannot be stored: {problem}.", "error"), None
        raise
    except ToolError as error:
        return ToolOutcome(bounded_text(error.message), "error"), None
    except TookTooLong:
        outcome = ToolOutcome(f"{tool.name} did not finish within {tool.timeout:g} seconds.", "timeout")
        return outcome, "failed" if tool.on_unknown_outcome == "repeat" else None
    except TaskLost as error:
        return _lost(tool, error, context)
    except (Exception, SystemExit):  # noqa: BLE001 - a tool is foreign code: none of its errors may end the turn
        return _crashed(tool, context), "failed"


async def _execute(tool: Tool, named: dict[str, Any], context: ToolContext) -> ToolOutcome:
    assert tool.function is not None
    assert tool.signature is not None
    if tool.ray is not None:
        tasks = LocalTasks() if context.services is None else context.services.tasks
        outcome = await tasks.run(run_remote, pack_call(tool, named, context), tool.ray, context.progress)
        assert isinstance(outcome, ToolOutcome)
        return outcome
    blocking = not inspect.iscoroutinefunction(tool.function)
    if tool.signature.context_parameter is not None:
        named[tool.signature.context_parameter] = _from_thread(context) if blocking else context
    call = partial(tool.function, **named)
    result = await run_in_thread(call) if blocking else call()
    if inspect.iscoroutine(result):
        result = await _Watched(result, tool.name)
    elif inspect.isawaitable(result):
        result = await result
    return await _outcome_of(tool.name, result)


class _Watched:
    """A coroutine of foreign code; a warning names the tool when a step of it holds up everything else."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], tool: str) -> None:
        self._coroutine = coroutine
        self._tool = tool

    def __await__(self) -> Generator[Any, Any, Any]:
        steps = self._coroutine.__await__()
        resume: Callable[[], Any] = partial(next, steps)
        while True:
            begun = time.monotonic()
            try:
                awaited = resume()
            except StopIteration as finished:
                return finished.value
            finally:
                if (seconds := time.monotonic() - begun) > MAX_STEP_SECONDS:
                    log.warning("tool_blocks", tool=self._tool, seconds=round(seconds, 1), advice=BLOCKING_ADVICE)
            try:
                yield awaited
            except GeneratorExit:
                steps.close()
                raise
            except BaseException as error:  # noqa: BLE001 - for the coroutine, as its cancellation
                resume = partial(steps.throw, error)
            else:
                resume = partial(next, steps)


async def _outcome_of(name: str, result: object) -> ToolOutcome:
    if result is None or isinstance(result, str | bool | int | float):
        return outcome_of(name, result)
    outcome: ToolOutcome = await run_in_thread(partial(outcome_of, name, result))  # a large result takes its time
    return outcome


def _from_thread(context: ToolContext) -> ToolContext:
    loop = asyncio.get_running_loop()
    return replace(
        context,
        progress=on_loop(loop, context.progress),
        patch=on_loop(loop, context.patch),
        tell=on_loop(loop, context.tell),
    )


def _lost(tool: Tool, error: TaskLost, context: ToolContext) -> tuple[ToolOutcome, Retryable | None]:
    log.warning("tool_lost", tool=tool.name, tool_call_id=context.tool_call_id, cause=str(error))
    if tool.on_unknown_outcome == "report":
        content = "The outcome of this call is unknown: the process that ran it died, and it is not repeated."
        return ToolOutcome(content, "unknown"), None
    return ToolOutcome(f"{tool.name} did not finish: the process that ran it died, again and again.", "error"), "lost"


def _crashed(tool: Tool, context: ToolContext) -> ToolOutcome:
    log.exception(
        "tool_crashed",
        tool=tool.name,
        tool_call_id=context.tool_call_id,
        conversation_id=context.conversation_id,
    )
    return ToolOutcome(f"{tool.name} failed with an internal error (call {context.tool_call_id}).", "error")

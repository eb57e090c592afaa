"""Executes one call of a server tool; whatever goes wrong becomes an outcome that the model can read."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import orjson
import structlog

from agents.context import in_context
from agents.errors import TaskLost, ToolError
from agents.interrupt import Interrupt
from agents.tools.arguments import bind
from agents.tools.local_tasks import LocalTasks
from agents.tools.outcome import outcome_of, said
from agents.tools.remote import run_remote, sendable
from agents.tools.threads import on_loop, run_in_thread
from agents.tools.timeout import TookTooLong, within
from agents.tools.tool import Tool, ToolContext, ToolOutcome

LOSSES = 2
"""How often a call is sent out again whose process or node died; beyond that the call itself may be what kills."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0

Flaw = Literal["failed", "lost"]

log = structlog.get_logger(__name__)


async def anybody() -> None:
    """The permission of those who share their calls with nobody."""


async def run_tool(
    tool: Tool,
    arguments: Mapping[str, Any],
    context: ToolContext,
    permit: Callable[[], Awaitable[None]] = anybody,
) -> ToolOutcome:
    """Run the tool, again if it may; raises `Interrupt` if it asks people, CancelledError if the caller is cancelled.

    Every try has the same `tool_call_id`, its own timeout and its own copy of the arguments. It is made once `permit`
    has returned; what that raises ends the call.
    """
    if tool.function is None or tool.signature is None or tool.executor != "server":
        return ToolOutcome(f"{tool.name} is not run by the server.", "error")
    with in_context(context.context):
        return await _tries(tool, arguments, context, permit)


async def _tries(
    tool: Tool, arguments: Mapping[str, Any], context: ToolContext, permit: Callable[[], Awaitable[None]]
) -> ToolOutcome:
    left: dict[Flaw, int] = {"failed": tool.retries, "lost": LOSSES}
    pause = FIRST_PAUSE
    while True:
        await permit()
        outcome, flaw = await _try(tool, arguments, context)
        if flaw is None or left[flaw] == 0:
            return outcome
        left[flaw] -= 1
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


async def _try(tool: Tool, arguments: Mapping[str, Any], context: ToolContext) -> tuple[ToolOutcome, Flaw | None]:
    """One try, and why another one may help, if it may."""
    try:
        named = bind(tool, arguments)
        return await within(tool.timeout, _execute(tool, named, context)), None
    except Interrupt as question:
        if not _can_be_logged(question):
            return _crashed(tool, context), None
        raise
    except ToolError as error:
        return ToolOutcome(said(error.message), "error"), None
    except TookTooLong:
        outcome = ToolOutcome(f"{tool.name} did not finish within {tool.timeout:g} seconds.", "timeout")
        return outcome, "failed" if tool.on_unknown_outcome == "repeat" else None
    except TaskLost as error:
        return _lost(tool, error, context)
    except Exception:  # noqa: BLE001 - a tool is foreign code: none of its errors may end the turn
        return _crashed(tool, context), "failed"


async def _execute(tool: Tool, named: dict[str, Any], context: ToolContext) -> ToolOutcome:
    assert tool.function is not None
    assert tool.signature is not None
    if tool.ray is not None:
        tasks = LocalTasks() if context.services is None else context.services.tasks
        outcome = await tasks.run(run_remote, sendable(tool, named, context), tool.ray, context.progress)
        assert isinstance(outcome, ToolOutcome)
        return outcome
    blocking = not inspect.iscoroutinefunction(tool.function)
    if tool.signature.context_parameter is not None:
        named[tool.signature.context_parameter] = _from_thread(context) if blocking else context
    call = partial(tool.function, **named)
    result = await run_in_thread(call) if blocking else call()
    if inspect.isawaitable(result):
        result = await result
    return await _outcome(tool.name, result)


async def _outcome(name: str, result: object) -> ToolOutcome:
    if result is None or isinstance(result, str | bool | int | float):
        return outcome_of(name, result)
    outcome: ToolOutcome = await run_in_thread(partial(outcome_of, name, result))  # it may be large
    return outcome


def _from_thread(context: ToolContext) -> ToolContext:
    loop = asyncio.get_running_loop()
    return replace(
        context,
        progress=on_loop(loop, context.progress),
        patch=on_loop(loop, context.patch),
        tell=on_loop(loop, context.tell),
    )


def _can_be_logged(question: Interrupt) -> bool:
    try:
        orjson.dumps(question.args)
    except TypeError:
        return False
    return True


def _lost(tool: Tool, error: TaskLost, context: ToolContext) -> tuple[ToolOutcome, Flaw | None]:
    log.warning("tool_lost", tool=tool.name, tool_call_id=context.tool_call_id, cause=str(error))
    if tool.on_unknown_outcome == "report":
        words = "The outcome of this call is unknown: the process that ran it died, and it is not repeated."
        return ToolOutcome(words, "unknown"), None
    return ToolOutcome(f"{tool.name} did not finish: the process that ran it died, again and again.", "error"), "lost"


def _crashed(tool: Tool, context: ToolContext) -> ToolOutcome:
    log.exception(
        "tool_crashed",
        tool=tool.name,
        tool_call_id=context.tool_call_id,
        conversation_id=context.conversation_id,
    )
    return ToolOutcome(f"{tool.name} failed with an internal error (call {context.tool_call_id}).", "error")

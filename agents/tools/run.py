"""Executes one call of a server tool; whatever goes wrong becomes an outcome that the model can read."""

import asyncio
import inspect
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import structlog
from pydantic import ValidationError

from agents.errors import ToolError
from agents.tools.outcome import outcome_of
from agents.tools.threads import run_in_thread
from agents.tools.tool import Tool, ToolContext, ToolOutcome

MAX_PROBLEMS = 5

log = structlog.get_logger(__name__)


async def run_tool(tool: Tool, arguments: dict[str, Any], context: ToolContext) -> ToolOutcome:
    """Run the tool within its timeout; raises nothing but CancelledError, when the caller is cancelled."""
    if tool.function is None or tool.signature is None or tool.executor != "server":
        return ToolOutcome(f"{tool.name} is not run by the server.", "error")
    try:
        values = tool.signature.arguments.validate_python(arguments)
    except ValidationError as error:
        return ToolOutcome(_argument_problems(tool, error), "error")
    named = {name: getattr(values, name) for name in tool.signature.names}
    return await _run_guarded(tool, named, context)


async def _run_guarded(tool: Tool, named: dict[str, Any], context: ToolContext) -> ToolOutcome:
    scope = asyncio.timeout(tool.timeout)
    try:
        async with scope:
            result = await _invoke(tool, named, context)
        return outcome_of(tool.name, result)
    except ToolError as error:
        return ToolOutcome(error.message, "error")
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        return _crashed(tool, context)  # the tool awaited something that was cancelled: its own failure
    except TimeoutError:
        if scope.expired():
            return ToolOutcome(f"{tool.name} did not finish within {tool.timeout:g} seconds.", "timeout")
        return _crashed(tool, context)
    except (Exception, SystemExit):  # noqa: BLE001 - a tool is foreign code: none of its errors may end the turn
        return _crashed(tool, context)


async def _invoke(tool: Tool, named: dict[str, Any], context: ToolContext) -> Any:  # noqa: ANN401 - any result
    assert tool.function is not None
    assert tool.signature is not None
    blocking = not inspect.iscoroutinefunction(tool.function)
    if tool.signature.context_parameter is not None:
        given = _from_thread(context) if blocking else context
        named = {**named, tool.signature.context_parameter: given}
    call: Callable[[], Any] = partial(tool.function, **named)
    result = await run_in_thread(call) if blocking else call()
    return await result if inspect.isawaitable(result) else result


def _from_thread(context: ToolContext) -> ToolContext:
    loop = asyncio.get_running_loop()

    def progress(value: Any) -> None:  # noqa: ANN401 - any JSON value
        loop.call_soon_threadsafe(context.progress, value)

    return replace(context, progress=progress)


def _argument_problems(tool: Tool, error: ValidationError) -> str:
    problems = [
        f"{'.'.join(map(str, problem['loc'])) or 'arguments'}: {problem['msg']}"
        for problem in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    more = f" (and {len(problems) - MAX_PROBLEMS} more)" if len(problems) > MAX_PROBLEMS else ""
    return f"Invalid arguments for {tool.name}: {'; '.join(problems[:MAX_PROBLEMS])}{more}"


def _crashed(tool: Tool, context: ToolContext) -> ToolOutcome:
    log.exception(
        "tool_crashed",
        tool=tool.name,
        tool_call_id=context.tool_call_id,
        conversation_id=context.conversation_id,
    )
    return ToolOutcome(f"{tool.name} failed with an internal error (call {context.tool_call_id}).", "error")

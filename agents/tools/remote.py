"""A heavy call as a value that can be sent to another process, where it is done and becomes an outcome."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, NoReturn

from agents.former_names import sent_as
from agents.tools.outcome import outcome_of
from agents.tools.tool import Tool, ToolContext, ToolOutcome


def sendable(tool: Tool, named: Mapping[str, Any], context: ToolContext) -> dict[str, Any]:
    """The arguments of `run_remote`; the context leaves behind what belongs to this process."""
    assert tool.signature is not None
    portable = replace(
        context, progress=_drop, patch=_not_from_here, tell=_not_from_here, services=None, state=dict(context.state)
    )
    return {
        "name": tool.name,
        "function": tool.function,
        "arguments": dict(named),
        "context_parameter": tool.signature.context_parameter,
        "context": portable,
    }


@sent_as("agents.tools.heavy.perform")
def run_remote(
    name: str,
    function: Callable[..., Any],
    arguments: Mapping[str, Any],
    context_parameter: str | None,
    context: ToolContext,
) -> ToolOutcome:
    """Do the call in a thread without an event loop; raises what the function raises."""
    given = {} if context_parameter is None else {context_parameter: context}
    result = function(**arguments, **given)
    if inspect.isawaitable(result):
        result = asyncio.run(_awaited(result))
    return outcome_of(name, result)


def reporting(arguments: Mapping[str, Any], progress: Callable[[Any], None]) -> dict[str, Any]:
    """The arguments, with the progress of each ToolContext among them leading to `progress`."""
    return {
        key: replace(value, progress=progress) if isinstance(value, ToolContext) else value
        for key, value in arguments.items()
    }


async def _awaited(result: Awaitable[Any]) -> Any:  # noqa: ANN401 - whatever the function returns
    return await result


@sent_as("agents.tools.heavy._drop")
def _drop(value: object) -> None:
    """Tell nobody: whoever runs the task puts the way to the watchers in our place."""


@sent_as("agents.tools.heavy._not_from_here")
def _not_from_here(*_: object) -> NoReturn:
    raise RuntimeError("a heavy tool runs apart from its conversation: it can neither patch its state nor tell of it")

"""A remote call, which is a call of a tool with `ray`: it is sent to another process, and becomes an outcome there."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, NoReturn

from structlog.contextvars import bind_contextvars

from agents.former_names import sent_as
from agents.tools.outcome import outcome_of
from agents.tools.threads import on_loop, run_in_thread
from agents.tools.tool import Tool, ToolContext, ToolOutcome


def pack_call(tool: Tool, named: Mapping[str, Any], context: ToolContext) -> dict[str, Any]:
    """The arguments of `run_remote`. What the context has of this process is left out: it cannot be sent."""
    assert tool.signature is not None
    portable = replace(
        context,
        progress=_drop_progress,
        patch=_refuse_effect,
        tell=_refuse_effect,
        services=None,
        state=dict(context.state),
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
    """Run the call, in a thread without an event loop; raises what the function raises."""
    bind_contextvars(conversation_id=context.conversation_id, turn=context.turn, tool_call_id=context.tool_call_id)
    given = {} if context_parameter is None else {context_parameter: context}
    result = function(**arguments, **given)
    if inspect.isawaitable(result):
        result = asyncio.run(_awaited(result))
    return outcome_of(name, result)


def with_progress(arguments: Mapping[str, Any], progress: Callable[[Any], None]) -> dict[str, Any]:
    """The arguments, where each ToolContext among them reports its progress to `progress`."""
    return {
        key: replace(value, progress=progress) if isinstance(value, ToolContext) else value
        for key, value in arguments.items()
    }


class LocalTasks:
    """The `agents.ports.Tasks` of a process without a cluster: a thread runs the call, resources are not counted."""

    async def run(
        self,
        function: Callable[..., Any],
        arguments: Mapping[str, Any],
        resources: Mapping[str, Any],
        progress: Callable[[Any], None],
    ) -> Any:  # noqa: ANN401 - whatever the function returns
        report = on_loop(asyncio.get_running_loop(), progress)
        return await run_in_thread(partial(function, **with_progress(arguments, report)))


async def _awaited(result: Awaitable[Any]) -> Any:  # noqa: ANN401 - whatever the function returns
    return await result


@sent_as("agents.tools.heavy._drop")
def _drop_progress(value: object) -> None:
    """Report nothing: the process that runs the task replaces this by a way to the watchers, see `with_progress`."""


@sent_as("agents.tools.heavy._not_from_here")
def _refuse_effect(*_: object) -> NoReturn:
    raise RuntimeError("a remote tool runs apart from its conversation: it can neither patch its state nor tell of it")

"""Runs the callbacks of an agent's middleware in their order; whatever fails is named."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import replace
from functools import partial, reduce
from typing import Any, TypeVar

from agents.agent import AgentMiddleware
from agents.errors import AgentDefinitionError, AgentError, MiddlewareError
from agents.interrupt import Interrupt
from agents.middleware.parallel import Parallel
from agents.middleware.pipeline.middleware import Middleware, StreamCall, ToolRun, overrides
from agents.middleware.pipeline.reply import Reply
from agents.middleware.pipeline.request import Request
from agents.middleware.pipeline.turn_context import TurnContext
from agents.models import ModelEvent, ModelRequest
from agents.tools import ToolOutcome
from agents.turn.commands import RunTool
from agents.turn.inputs import UserMessage

Contexts = Callable[[Middleware], TurnContext]
"""Finds the context of a middleware in the model call at hand."""
Asks = list[tuple[Middleware, Interrupt]]
Value = TypeVar("Value", bound=Request | Reply)

APPENDED = {Request: ("system", "injected"), Reply: ("feedback",)}
"""What the members of a parallel group may append to."""


class Stack:
    """The middleware of one agent. Only those that override a callback are called."""

    def __init__(self, middleware: Iterable[AgentMiddleware]) -> None:
        self._groups = [_as_middleware(group) for group in middleware]
        self._all = [_as_middleware(member) for group in self._groups for member in group.members]

    async def on_start(self, middleware: Middleware, context: TurnContext) -> None:
        with _naming(middleware, "on_start"):
            await middleware.on_start(context)

    def starters(self) -> Iterator[Middleware]:
        """Those that want to hear of a new incarnation."""
        return self._overriding("on_start")

    async def handle_message(self, message: UserMessage, contexts: Contexts) -> UserMessage:
        """The message as it will be logged; raises `Refused`, or what names the culprit."""
        for middleware in self._overriding("handle_message"):
            with _naming(middleware, "handle_message"):
                message = await middleware.handle_message(message, contexts(middleware))
        return message

    async def system_prompt(self, contexts: Contexts) -> list[str]:
        """The sections that the middleware adds."""
        sections: list[str] = []
        for middleware in self._overriding("system_prompt"):
            with _naming(middleware, "system_prompt"):
                section = await middleware.system_prompt(contexts(middleware))
            if section:
                sections.append(section)
        return sections

    async def before_model(self, request: Request, contexts: Contexts, asks: Asks) -> Request:
        """What will be sent; whoever interrupts is noted in `asks`, and all others are heard nevertheless."""
        for group in self._groups:
            request = await self._pass(group, "before_model", request, contexts, asks)
        return request

    async def after_model(self, reply: Reply, contexts: Contexts, asks: Asks) -> Reply:
        """What the answer leads to; interrupts are noted in `asks`."""
        for group in reversed(self._groups):
            reply = await self._pass(group, "after_model", reply, contexts, asks)
        return reply

    def stream(self, request: ModelRequest, call: StreamCall, contexts: Contexts) -> AsyncGenerator[ModelEvent, None]:
        """The answer's events, transformed from the inside out."""
        wrapped = reduce(
            lambda inner, middleware: partial(_stream, middleware, inner, contexts(middleware)),
            reversed(list(self._overriding("stream"))),
            call,
        )
        return wrapped(request)

    async def run_tool(self, command: RunTool, run: ToolRun, contexts: Contexts) -> ToolOutcome:
        """The outcome of a server tool."""
        wrapped = reduce(
            lambda inner, middleware: partial(_run_tool, middleware, inner, contexts(middleware)),
            reversed(list(self._overriding("run_tool"))),
            run,
        )
        return await wrapped(command)

    def _overriding(self, callback: str) -> Iterator[Middleware]:
        return (middleware for middleware in self._all if overrides(middleware, callback))

    async def _pass(self, group: Middleware, callback: str, value: Value, contexts: Contexts, asks: Asks) -> Value:
        if isinstance(group, Parallel):
            members = [member for member in group.members if overrides(member, callback)]
            changed = await asyncio.gather(*(_call(member, callback, value, contexts, asks) for member in members))
            return _joined(value, list(zip(members, changed, strict=True)), callback)
        return await _call(group, callback, value, contexts, asks) if overrides(group, callback) else value


async def _call(middleware: Middleware, callback: str, value: Value, contexts: Contexts, asks: Asks) -> Value:
    with _naming(middleware, callback):
        try:
            result: Value = await getattr(middleware, callback)(value, contexts(middleware))
        except Interrupt as interrupt:
            asks.append((middleware, interrupt))
            return value
    if not isinstance(result, type(value)):
        raise MiddlewareError(middleware.name, f"{callback}: it returned {type(result).__name__}")
    return result


async def _stream(
    middleware: Middleware, call: StreamCall, context: TurnContext, request: ModelRequest
) -> AsyncGenerator[ModelEvent, None]:
    with _naming(middleware, "stream"):
        async with aclosing(middleware.stream(request, call, context)) as events:
            async for event in events:
                yield event


async def _run_tool(middleware: Middleware, run: ToolRun, context: TurnContext, command: RunTool) -> ToolOutcome:
    with _naming(middleware, "run_tool"):
        return await middleware.run_tool(command, run, context)


@contextmanager
def _naming(middleware: Middleware, callback: str) -> Iterator[None]:
    """Errors that are meant (a refusal, a model's failure, a stop) pass; any other becomes one with a name."""
    try:
        yield
    except AgentError:
        raise
    except Exception as error:
        raise MiddlewareError(middleware.name, callback) from error


def _joined(value: Value, changed: Sequence[tuple[Middleware, Value]], callback: str) -> Value:
    """What the members of a parallel group appended, one behind the other."""
    fields = APPENDED[type(value)]
    before = {field: list(getattr(value, field)) for field in fields}
    grown: dict[str, Any] = {field: list(parts) for field, parts in before.items()}
    for middleware, result in changed:
        after = {field: list(getattr(result, field)) for field in fields}
        untouched: Any = replace(result, **{field: getattr(value, field) for field in fields})
        if untouched != value or any(after[field][: len(before[field])] != before[field] for field in fields):
            raise MiddlewareError(middleware.name, f"{callback}: in a parallel group it may only append")
        for field in fields:
            grown[field] += after[field][len(before[field]) :]
    return replace(value, **grown)


def _as_middleware(behaviour: AgentMiddleware) -> Middleware:
    if not isinstance(behaviour, Middleware):
        raise AgentDefinitionError(type(behaviour).__name__, "it is no Middleware: derive its class from that")
    return behaviour

"""Runs the callbacks of an agent's middleware in order; an error names the middleware and the callback."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import replace
from functools import partial, reduce
from typing import Any, TypeVar

from agents.agent import AgentMiddleware
from agents.errors import AgentDefinitionError, AgentError, MiddlewareError, TurnStopped, UnstorableValue
from agents.interrupt import Interrupt
from agents.middleware.parallel import Parallel
from agents.middleware.pipeline.exchange import Reply, Request
from agents.middleware.pipeline.middleware import Middleware, StreamCall, ToolRun, overrides
from agents.middleware.pipeline.turn_context import TurnContext
from agents.models import ModelEvent, ModelRequest
from agents.storable import record_problem, storage_problem
from agents.tools import ToolOutcome
from agents.turn.approvers import read_approvers
from agents.turn.commands import RunTool
from agents.turn.inputs import UserMessage

ContextOf = Callable[[Middleware], TurnContext]
"""Finds the context of a middleware in the current model call."""
Interrupts = list[tuple[Middleware, Interrupt]]
"""The interrupts that the callbacks of one model call have raised, in order."""
T = TypeVar("T")
V = TypeVar("V", bound=Request | Reply)

APPENDED = {Request: ("system", "injected"), Reply: ("feedback",)}
"""What the members of a parallel group may append to."""


class Stack:
    """The middleware of one agent. A callback is called only on the middleware that overrides it."""

    def __init__(self, middleware: Iterable[AgentMiddleware]) -> None:
        self._groups = [_as_middleware(group) for group in middleware]
        self._all = [_as_middleware(member) for group in self._groups for member in group.members]

    async def on_start(self, middleware: Middleware, context: TurnContext) -> None:
        with _name_errors(middleware, "on_start"):
            await middleware.on_start(context)

    def with_on_start(self) -> Iterator[Middleware]:
        """The middleware that overrides `on_start`."""
        return self._overriding("on_start")

    @property
    def handles_messages(self) -> bool:
        """Whether any middleware overrides `handle_message`."""
        return any(self._overriding("handle_message"))

    async def handle_message(self, message: UserMessage, context_of: ContextOf) -> UserMessage:
        """The message as it will be logged. Raises `Refused`, or `MiddlewareError` for any other failure."""
        for middleware in self._overriding("handle_message"):
            with _name_errors(middleware, "handle_message"):
                changed = await middleware.handle_message(message, context_of(middleware))
            message = _checked(middleware, "handle_message", changed, UserMessage, message)
        return message

    async def system_prompt(self, context_of: ContextOf) -> list[str]:
        """The sections that the middleware adds."""
        sections: list[str] = []
        for middleware in self._overriding("system_prompt"):
            with _name_errors(middleware, "system_prompt"):
                section = await middleware.system_prompt(context_of(middleware))
            if section is not None:
                section = _checked(middleware, "system_prompt", section, str)
            if section:
                sections.append(section)
        return sections

    async def before_model(self, request: Request, context_of: ContextOf, interrupts: Interrupts) -> Request:
        """What will be sent. An interrupt is added to `interrupts`, and the other middleware is called nevertheless."""
        for group in self._groups:
            request = await self._pass_through(group, "before_model", request, context_of, interrupts)
        return request

    async def after_model(self, reply: Reply, context_of: ContextOf, interrupts: Interrupts) -> Reply:
        """What the answer leads to. An interrupt is added to `interrupts`."""
        for group in reversed(self._groups):
            reply = await self._pass_through(group, "after_model", reply, context_of, interrupts)
        return reply

    def stream(
        self, request: ModelRequest, call: StreamCall, context_of: ContextOf
    ) -> AsyncGenerator[ModelEvent, None]:
        """The answer's events, transformed from the inside out."""
        wrapped = reduce(
            lambda inner, middleware: partial(_stream, middleware, inner, context_of(middleware)),
            reversed(list(self._overriding("stream"))),
            call,
        )
        return wrapped(request)

    async def run_tool(self, command: RunTool, run: ToolRun, context_of: ContextOf) -> ToolOutcome:
        """The outcome of a server tool."""
        wrapped = reduce(
            lambda inner, middleware: partial(_run_tool, middleware, inner, context_of(middleware)),
            reversed(list(self._overriding("run_tool"))),
            run,
        )
        return await wrapped(command)

    def _overriding(self, callback: str) -> Iterator[Middleware]:
        return (middleware for middleware in self._all if overrides(middleware, callback))

    async def _pass_through(
        self, group: Middleware, callback: str, value: V, context_of: ContextOf, interrupts: Interrupts
    ) -> V:
        if isinstance(group, Parallel):
            members = [member for member in group.members if overrides(member, callback)]
            changed = await asyncio.gather(
                *(_call(member, callback, value, context_of, interrupts) for member in members)
            )
            return _join(value, list(zip(members, changed, strict=True)), callback)
        return await _call(group, callback, value, context_of, interrupts) if overrides(group, callback) else value


async def _call(middleware: Middleware, callback: str, value: V, context_of: ContextOf, interrupts: Interrupts) -> V:
    with _name_errors(middleware, callback):
        try:
            result: V = await getattr(middleware, callback)(value, context_of(middleware))
        except Interrupt as interrupt:
            if (problem := storage_problem(interrupt.args)) is not None:
                raise UnstorableValue("its question", problem) from None
            _check_approvers(middleware, callback, interrupt)
            interrupts.append((middleware, interrupt))
            return value
    return _checked(middleware, callback, result, type(value), value)


def _check_approvers(middleware: Middleware, callback: str, interrupt: Interrupt) -> None:
    try:
        read_approvers(interrupt.approvers)
    except ValueError as error:
        raise MiddlewareError(middleware.name, f"{callback}: {error}") from None


def _checked(middleware: Middleware, callback: str, result: object, promised: type[T], before: object = None) -> T:
    """What a callback has returned, if it is what the callback promises and, where it is logged, can be stored.

    `before` is what the callback was given: it has been checked.
    """
    if not isinstance(result, promised):
        raise MiddlewareError(middleware.name, f"{callback}: it returned {type(result).__name__}")
    is_logged = promised not in (Request, str)
    if is_logged and result is not before and (problem := record_problem(result)) is not None:
        raise MiddlewareError(middleware.name, f"{callback}: what it returned cannot be stored: {problem}")
    return result


async def _stream(
    middleware: Middleware, call: StreamCall, context: TurnContext, request: ModelRequest
) -> AsyncGenerator[ModelEvent, None]:
    with _name_errors(middleware, "stream"):
        async with aclosing(middleware.stream(request, call, context)) as events:
            async for event in events:
                if not isinstance(event, ModelEvent):
                    raise MiddlewareError(middleware.name, f"stream: it yielded {type(event).__name__}")
                yield event


async def _run_tool(middleware: Middleware, run: ToolRun, context: TurnContext, command: RunTool) -> ToolOutcome:
    with _name_errors(middleware, "run_tool"):
        outcome = await middleware.run_tool(command, run, context)
    return _checked(middleware, "run_tool", outcome, ToolOutcome)


@contextmanager
def _name_errors(middleware: Middleware, callback: str) -> Iterator[None]:
    """Let intended errors pass (a refusal, a model's failure, a stop).

    Any other, and the wish to end the process, becomes a `MiddlewareError`.
    """
    try:
        yield
    except UnstorableValue as error:
        raise MiddlewareError(middleware.name, f"{callback}: {error}") from None
    except TurnStopped as stopped:
        if any(not isinstance(text, str) or storage_problem(text) for text in stopped.args):
            problem = f"{callback}: it stopped the turn without a readable text"
            raise MiddlewareError(middleware.name, problem) from stopped
        raise
    except AgentError:
        raise
    except (Exception, SystemExit) as error:
        raise MiddlewareError(middleware.name, callback) from error


def _join(value: V, changed: Sequence[tuple[Middleware, V]], callback: str) -> V:
    """The value with everything that the members of a parallel group appended, in the order of the members."""
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

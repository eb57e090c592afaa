"""Whether this process records traces, and the one tracer with which it does."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import wraps
from importlib import import_module
from typing import TYPE_CHECKING, Final, Protocol, TypeVar, cast

from agents.context import AgentContext
from agents.tracing import NoTracer, Tracer, within
from deployments.settings import Settings

if TYPE_CHECKING:
    from deployments.process.span_export import SdkTracer

EXPORT: Final = "deployments.process.span_export"
"""Imported by name, where traces are recorded."""
OFF: Final[Tracer] = NoTracer()
_made: dict[str, Tracer] = {}

M = TypeVar("M", bound=Callable[..., Awaitable[object]])


def tracer_of(settings: Settings, role: str) -> Tracer:
    """The process's tracer; `role` is what the process does, for its first caller. It is off without a collector."""
    url = settings.traces_url
    if url is None:
        return OFF
    if url not in _made:
        _made[url] = import_module(EXPORT).export_spans(url, role, has_content=settings.trace_content)
    return _made[url]


def flush_spans(tracer: Tracer) -> None:
    """Send what waits, for some seconds at most; nothing if the tracer is off. It blocks."""
    if tracer.is_on:
        cast("SdkTracer", tracer).flush()


async def flush_at_end(tracer: Tracer) -> None:
    """The same for a process that ends, without blocking its event loop."""
    if tracer.is_on:
        await asyncio.to_thread(flush_spans, tracer)


class Traced(Protocol):
    """What takes commands, with a tracer and the name of the place where it is."""

    tracer: Tracer
    place: str


def traced(name: str) -> Callable[[M], M]:
    """For a method that takes the id of a conversation, a command and the context that goes along, by position.

    Each call is a span of that name, in the trace of its context; what it does has a context within.
    """

    def decorate(method: M) -> M:
        @wraps(method)
        async def call(
            own: Traced, conversation_id: str, command: object, context: AgentContext, *rest: object
        ) -> object:
            if not own.tracer.is_on or context.traceparent is None:
                return await method(own, conversation_id, command, context, *rest)
            attributes = {
                "gen_ai.conversation.id": conversation_id,
                "raylogue.command": type(command).__name__,
                "raylogue.place": own.place or None,
            }
            with own.tracer.span(name, attributes, context.traceparent) as span:
                return await method(own, conversation_id, command, within(context, span), *rest)

        return cast("M", call)

    return decorate

"""The context that goes with the work: the tenant, the acting principal, the trace; never stored."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from store import ConversationMeta


@dataclass(frozen=True, slots=True)
class AgentContext:
    """A snapshot that threads, actors, Ray tasks and sub-agents get by value; `values` cannot be changed.

    `traceparent` is the W3C header for what is done in this context, if it is known which span of the trace
    `trace_id` it belongs to: a tool that calls another service sends it along.
    """

    tenant: str | None = None
    principal: str | None = None
    trace_id: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    traceparent: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", MappingProxyType(dict(self.values)))

    def __reduce__(self) -> tuple[Any, ...]:
        # A mapping proxy cannot be pickled.
        known = (self.tenant, self.principal, self.trace_id, dict(self.values))
        # A process with the code before takes the first four fields of a state, and knows no fifth argument.
        return (AgentContext, known) if self.traceparent is None else (AgentContext, known, (*known, self.traceparent))

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        object.__setattr__(self, "traceparent", state[4])


MakeContext = Callable[[str | None, str | None, ConversationMeta], AgentContext]
"""Makes the context of work that came without one: of a tenant, of the principal who acts, for a conversation."""


def bare_context(tenant: str | None, principal: str | None, conversation: ConversationMeta) -> AgentContext:
    """The context of work that came without one, as after a crash: who acts, and no values."""
    return AgentContext(tenant=tenant, principal=principal)


_CURRENT: ContextVar[AgentContext] = ContextVar("agent_context", default=AgentContext())  # noqa: B039 - it is frozen


def current_context() -> AgentContext:
    """The context that the calling code runs in; an empty one outside of a conversation."""
    return _CURRENT.get()


@contextmanager
def in_context(context: AgentContext) -> Iterator[None]:
    """Run the body, and every task and tool thread that it starts, in `context`."""
    token = _CURRENT.set(context)
    try:
        yield
    finally:
        _CURRENT.reset(token)


def was_cancelled() -> bool:
    """Whether the current task has been asked to end. If not, a CancelledError in it escaped from foreign code."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0

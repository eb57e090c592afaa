"""The context that goes with the work: who acts, for whom, under which trace; never stored."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True, slots=True)
class AgentContext:
    """A snapshot that crosses threads, actors, Ray tasks and sub-agents by value; `values` cannot be changed."""

    tenant: str | None = None
    principal: str | None = None
    trace_id: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", MappingProxyType(dict(self.values)))

    def __reduce__(self) -> tuple[type["AgentContext"], tuple[Any, ...]]:
        # A mapping proxy cannot be pickled.
        return AgentContext, (self.tenant, self.principal, self.trace_id, dict(self.values))


_CURRENT: ContextVar[AgentContext] = ContextVar("agent_context", default=AgentContext())  # noqa: B039 - it is frozen


def current_context() -> AgentContext:
    """The context of whoever calls; an empty one outside of a conversation."""
    return _CURRENT.get()


@contextmanager
def in_context(context: AgentContext) -> Iterator[None]:
    """Everything inside, and every task and thread it starts, runs in `context`."""
    token = _CURRENT.set(context)
    try:
        yield
    finally:
        _CURRENT.reset(token)

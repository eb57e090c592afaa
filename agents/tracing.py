"""The port through which work tells what it does, as spans of a trace; without a tracer nothing is recorded.

The names of attributes are those of OpenTelemetry's semantic conventions, for generative AI `gen_ai.*`, and
`raylogue.*` for what these do not know. Other processes name a span as W3C does, by its `traceparent`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Literal, Protocol, Self

from agents.context import AgentContext

Attributes = Mapping[str, Any]
"""Texts, numbers, truth values and sequences of texts; an attribute that is None is left out."""
SpanKind = Literal["internal", "server", "client"]

TRACEPARENT = re.compile(r"((?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2})(?:-.*)?")
"""The W3C header for a trace: version, trace id, parent id, flags."""


class Span(Protocol):
    """A piece of work with a beginning and an end. As a context manager it ends with the body, and fails with it.

    What the body starts finds it as OpenTelemetry's current span. A cancelled body has not failed.
    """

    traceparent: str | None
    """By which its children name it, also in other processes; None: nothing is recorded."""

    def rename(self, name: str) -> None:
        """It is known by now what it is."""

    def set(self, attributes: Attributes) -> None:
        """Say more of it."""

    def fail(self, kind: str, detail: str = "") -> None:
        """It did not succeed: `kind` is a stable code or the name of an error."""

    def end(self) -> None:
        """It is over; what is said of it afterwards is lost."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Tracer(Protocol):
    """Makes spans. `is_on`: they are recorded. `has_content`: they may also say what people and models have said."""

    is_on: bool
    has_content: bool

    def span(
        self,
        name: str,
        attributes: Attributes,
        parent: str | None,
        *,
        kind: SpanKind = "internal",
        links: Sequence[str] = (),
    ) -> Span:
        """One that begins now, below the span with the traceparent `parent`; None: a trace begins with it.

        `links` are the traceparents of spans that it goes on from.
        """


class _NoSpan:
    traceparent: str | None = None

    def rename(self, name: str) -> None: ...

    def set(self, attributes: Attributes) -> None: ...

    def fail(self, kind: str, detail: str = "") -> None: ...

    def end(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


NO_SPAN: Span = _NoSpan()


class NoTracer:
    """Records nothing."""

    is_on = False
    has_content = False

    def span(
        self,
        name: str,
        attributes: Attributes,
        parent: str | None,
        *,
        kind: SpanKind = "internal",
        links: Sequence[str] = (),
    ) -> Span:
        return NO_SPAN


def valid_traceparent(header: str | None) -> str | None:
    """The header as far as this version of it is known; None if it is no valid one."""
    named = TRACEPARENT.fullmatch(header or "")
    return None if named is None else named[1]


def trace_id_of(traceparent: str) -> str:
    """The trace that a valid W3C header names."""
    return traceparent.split("-", 2)[1]


def within(context: AgentContext, span: Span) -> AgentContext:
    """The context of work that is done in the course of the span."""
    if span.traceparent is None:
        return context
    return replace(context, trace_id=trace_id_of(span.traceparent), traceparent=span.traceparent)

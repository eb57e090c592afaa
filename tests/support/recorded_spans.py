"""Spans kept in memory, and what tests ask of them, whether they were kept there or sent to a server."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from deployments.process.span_export import SdkTracer

TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE_ID}-{SPAN_ID}-01"
"""What a client sends."""


@dataclass(frozen=True)
class RecordedSpan:
    """A span that has ended; ids in hexadecimal, `error` is None if it has not failed."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str | None
    kind: str
    attributes: dict[str, Any]
    links: list[str]
    error: str | None
    role: str = ""


class SpanMemory:
    """A tracer, and the spans that it has recorded and that have ended, in the order of their ends."""

    def __init__(self, *, has_content: bool = False) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = SdkTracer(provider, has_content=has_content)

    @property
    def spans(self) -> list[RecordedSpan]:
        return [_recorded(span) for span in self._exporter.get_finished_spans()]

    def named(self, name: str) -> list[RecordedSpan]:
        return [span for span in self.spans if span.name == name]


def tree(spans: Sequence[RecordedSpan], above: str | None = SPAN_ID) -> list[Any]:
    """The names below the span `above`, in the order of their ends: each a text, or a pair with the list below it."""
    below = [span for span in spans if span.parent_id == above]
    return [(span.name, inner) if (inner := tree(spans, span.span_id)) else span.name for span in below]


def names_above(spans: Iterable[RecordedSpan], span: RecordedSpan) -> list[str]:
    """The names from the span up to the one that the client has begun, or to the first one."""
    by_id = {each.span_id: each for each in spans}
    names = [span.name]
    while (above := by_id.get(span.parent_id or "")) is not None:
        span = above
        names.append(span.name)
    return names


def _recorded(span: ReadableSpan) -> RecordedSpan:
    context, parent = span.get_span_context(), span.parent
    assert context is not None
    return RecordedSpan(
        name=span.name,
        trace_id=f"{context.trace_id:032x}",
        span_id=f"{context.span_id:016x}",
        parent_id=None if parent is None else f"{parent.span_id:016x}",
        kind=span.kind.name.lower(),
        attributes=dict(span.attributes or {}),
        links=[f"{link.context.trace_id:032x}-{link.context.span_id:016x}" for link in span.links],
        error=None if span.status.is_ok or span.status.is_unset else str((span.attributes or {}).get("error.type")),
    )

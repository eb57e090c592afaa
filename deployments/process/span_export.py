"""Spans by OpenTelemetry's SDK, exported by OTLP over HTTP; imported only by processes that record traces.

Headers, sampler, batches and resource follow the standard `OTEL_…` variables, which the SDK reads itself.
"""

import os
import socket
import threading
from collections.abc import Sequence
from contextvars import Token
from importlib.metadata import version
from types import TracebackType
from typing import Any, Self

from opentelemetry import context as current
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, SpanContext, SpanKind, StatusCode, TraceFlags

from agents.tracing import Attributes
from agents.tracing import SpanKind as Kind

FLUSH_SECONDS = 2.0
"""How long a process that ends, or a task that has ended, waits for the last spans to be taken."""
KINDS = {"internal": SpanKind.INTERNAL, "server": SpanKind.SERVER, "client": SpanKind.CLIENT}


class SdkTracer:
    """The `agents.tracing.Tracer` of a provider. Spans that its sampler leaves out are passed on, and not recorded."""

    is_on = True

    def __init__(self, provider: TracerProvider, *, has_content: bool) -> None:
        self.has_content = has_content
        self._provider = provider
        self._tracer = provider.get_tracer("raylogue", version("raylogue"))

    def span(
        self,
        name: str,
        attributes: Attributes,
        parent: str | None,
        *,
        kind: Kind = "internal",
        links: Sequence[str] = (),
    ) -> "SdkSpan":
        above = None if parent is None else parse_traceparent(parent)
        context = Context() if above is None else trace.set_span_in_context(trace.NonRecordingSpan(above), Context())
        former = [Link(known) for known in map(parse_traceparent, links) if known is not None]
        return SdkSpan(self._tracer.start_span(name, context, KINDS[kind], attributes=_known(attributes), links=former))

    def flush(self, seconds: float = FLUSH_SECONDS) -> None:
        """Send what waits; a collector that does not answer in time is given up."""
        sending = threading.Thread(target=self._provider.force_flush, name="flush of spans", daemon=True)
        sending.start()
        sending.join(seconds)


class SdkSpan:
    """The `agents.tracing.Span` of one of the SDK's."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span
        self._token: Token[Context] | None = None
        known = span.get_span_context()
        self.traceparent: str | None = (
            f"00-{known.trace_id:032x}-{known.span_id:016x}-{known.trace_flags:02x}" if known.is_valid else None
        )

    def rename(self, name: str) -> None:
        if self._span.is_recording():
            self._span.update_name(name)

    def set(self, attributes: Attributes) -> None:
        if self._span.is_recording():
            self._span.set_attributes(_known(attributes))

    def fail(self, kind: str, detail: str = "") -> None:
        if self._span.is_recording():
            self._span.set_attribute("error.type", kind)
            self._span.set_status(StatusCode.ERROR, detail or None)

    def end(self) -> None:
        if self._span.is_recording():
            self._span.end()

    def __enter__(self) -> Self:
        self._token = current.attach(trace.set_span_in_context(self._span))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is not None:
            current.detach(self._token)
        if isinstance(error, Exception):
            self.fail(type(error).__name__)  # its text may say what people have said
        elif error is not None:
            self.set({"raylogue.cancelled": True})
        self.end()


def export_spans(url: str, role: str, *, has_content: bool) -> SdkTracer:
    """A tracer whose spans are posted to `url`; `role` says what this process does.

    It becomes the one of the whole process, so that what tools record by OpenTelemetry stands below our spans.
    """
    own: dict[str, Any] = {
        "service.name": "raylogue",
        "service.version": version("raylogue"),
        "host.name": socket.gethostname(),
        "process.pid": os.getpid(),
        "raylogue.role": role,
    }
    resource = Resource.create(own).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)  # which may wait for long
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=url)))
    trace.set_tracer_provider(provider)
    return SdkTracer(provider, has_content=has_content)


def parse_traceparent(header: str) -> SpanContext | None:
    """The span that a valid W3C header names; None if it is none of a span that is known."""
    _, trace_id, span_id, flags, *_ = header.split("-")
    found = SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16)))
    return found if found.is_valid else None


def _known(attributes: Attributes) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if value is not None}

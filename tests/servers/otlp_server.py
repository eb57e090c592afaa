"""A server that traces are sent to: takes OTLP over HTTP, as collectors do, and keeps the spans."""

import gzip
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.support.recorded_spans import RecordedSpan

PATH = "/v1/traces"
KINDS = {Span.SPAN_KIND_SERVER: "server", Span.SPAN_KIND_CLIENT: "client", Span.SPAN_KIND_INTERNAL: "internal"}


class OtlpServer:
    """Listens on a free port of the loopback interface until `stop`."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        """Those of the last export."""
        self._spans: dict[str, RecordedSpan] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.05], daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def spans(self) -> list[RecordedSpan]:
        """All, in the order in which they came; what an exporter has sent twice, once."""
        return list(self._spans.values())

    def of(self, trace_id: str) -> list[RecordedSpan]:
        """The spans of that trace which have come, in the order in which they came."""
        return [span for span in self.spans if span.trace_id == trace_id]

    def take(self, body: bytes) -> None:
        request = ExportTraceServiceRequest.FromString(body)
        for resource in request.resource_spans:
            own = _attributes(resource.resource.attributes)
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self._spans.setdefault(span.span_id.hex(), _recorded(span, str(own.get("raylogue.role"))))

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(otlp_server: OtlpServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # exporters keep their connections

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            otlp_server.headers = {name.lower(): value for name, value in self.headers.items()}
            if self.path == PATH:
                otlp_server.take(body)
            self.send_response(200 if self.path == PATH else 404)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    return Handler


def _recorded(span: Span, role: str) -> RecordedSpan:
    attributes = _attributes(span.attributes)
    failed = span.status.code == Status.STATUS_CODE_ERROR
    return RecordedSpan(
        name=span.name,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex() or None,
        kind=KINDS[span.kind],
        attributes=attributes,
        links=[f"{link.trace_id.hex()}-{link.span_id.hex()}" for link in span.links],
        error=str(attributes.get("error.type")) if failed else None,
        role=role,
    )


def _attributes(given: Any) -> dict[str, Any]:
    return {each.key: _value(each) for each in given}


def _value(given: KeyValue) -> Any:
    value: AnyValue = given.value
    if value.WhichOneof("value") == "array_value":
        return [each.string_value for each in value.array_value.values]
    return getattr(value, value.WhichOneof("value") or "string_value")

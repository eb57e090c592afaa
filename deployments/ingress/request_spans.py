"""A span for each request to the API, below the one that its `traceparent` names; it covers the guards as well."""

from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agents.tracing import Attributes, Span, Tracer, valid_traceparent

TRACE: Final = "raylogue.traceparent"
"""Where the scope of a request has the traceparent of its span."""
UNTRACED: Final = frozenset({"/healthz", "/readyz"})
"""They are asked every few seconds, and lead to nothing."""
STATIC: Final = "/static/"
EVENT_STREAM: Final = b"text/event-stream"


class RequestSpans:
    """ASGI middleware around all others, of a replica that records traces.

    The span of an event stream ends with the head of its answer: what was asked for is under way then, and the stream
    may last for hours.
    """

    def __init__(self, app: ASGIApp, tracer: Tracer) -> None:
        self.app = app
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] != "http" or path in UNTRACED or path.startswith(STATIC):
            await self.app(scope, receive, send)
            return
        method = scope["method"]
        attributes: dict[str, Any] = {
            "http.request.method": method,
            "url.path": path,
            "url.scheme": scope.get("scheme"),
        }
        with self._tracer.span(method, attributes, traceparent_of(scope), kind="server") as span:
            scope[TRACE] = span.traceparent
            await self.app(scope, receive, _noting_head(span, scope, send))


def traceparent_of(scope: Scope) -> str | None:
    """The request's own span; without one, what the client has sent, if it is valid."""
    if (own := scope.get(TRACE)) is not None:
        return str(own)
    sent = [value for name, value in scope["headers"] if name == b"traceparent"]
    return valid_traceparent(sent[0].decode("latin-1")) if len(sent) == 1 else None


def _noting_head(span: Span, scope: Scope, send: Send) -> Send:
    """What sends the answer; from its head on the span has its status, and what the router has found in the path."""

    async def note(message: Message) -> None:
        if message["type"] == "http.response.start":
            status = message["status"]
            if (route := getattr(scope.get("route"), "path", None)) is not None:
                span.rename(f"{scope['method']} {route}")
            span.set({"http.response.status_code": status, "http.route": route, **_conversation(scope)})
            if status >= 500:
                span.fail(str(status))
            if any(name.lower() == b"content-type" and EVENT_STREAM in value for name, value in message["headers"]):
                span.end()
        await send(message)

    return note


def _conversation(scope: Scope) -> Attributes:
    return {"gen_ai.conversation.id": scope.get("path_params", {}).get("conversation_id")}

"""What a replica does once before people come, so that a burst of new people waits for nothing that is there only once.

The server of the store learns the scripts. Then requests of the kinds that new people make go through the application
for a conversation that does not exist, and a stream of one event is sent. So modules are imported, sources are read,
and connections are open. Nothing is written, and no client is involved.
"""

import asyncio
import uuid
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack
from typing import Any, Final

import structlog
from fastapi import FastAPI
from starlette.types import ASGIApp, Message

from deployments.access.principal import LOCAL
from deployments.ingress.authentication import Authentication
from deployments.ingress.dependencies import Dependencies
from deployments.ingress.streams.sse import MEDIA_TYPE, EventStreamResponse
from deployments.ingress.streams.watcher_state import WireEvent

log = structlog.get_logger(__name__)

MAX_SECONDS: Final = 5.0
"""A store that is away must not keep the replica from starting."""
CONVERSATION: Final = f"/v1/conversations/{uuid.uuid4().hex}"
REQUESTS: Final = (
    ("POST", "/v1/conversations", "application/json", b'{"agent": 0}'),
    ("GET", f"{CONVERSATION}/events", MEDIA_TYPE, b""),
    ("POST", f"{CONVERSATION}/messages", "application/json", b'{"text": "hello"}'),
    ("POST", f"{CONVERSATION}/messages", MEDIA_TYPE, b'{"text": "hello"}'),
)
"""Method, path, what the client accepts, and body. All are refused: the first by its schema, the others with 404."""


async def warm_up(app: FastAPI) -> None:
    """Return when it is done; what fails is left to the first message."""
    deps: Dependencies = app.state.dependencies
    try:
        async with asyncio.timeout(MAX_SECONDS):
            await deps.store.load_scripts()
            behind_the_guards = _behind_the_guards(app)
            for method, path, accept, body in REQUESTS:
                await _call(app, behind_the_guards, method, path, accept, body)
            ends = deps.open_streams.ends_of(LOCAL, "", deps.draining)
            stream = EventStreamResponse(_one_event(), deps.settings.heartbeat_seconds, AsyncExitStack(), ends)
            await _call(app, stream, "GET", CONVERSATION, MEDIA_TYPE, b"")
    except Exception as error:  # noqa: BLE001 - a replica that is not warm serves all the same
        log.warning("not_warmed_up", cause=str(error) or type(error).__name__)


async def _call(app: FastAPI, target: ASGIApp, method: str, path: str, accept: str, body: bytes) -> None:
    """Have `target` take a request as uvicorn would give it; what it answers goes nowhere."""
    headers = {"accept": accept, "content-type": "application/json", "content-length": str(len(body))}
    scope = {**request_scope(method, path, headers), "app": app, "user": LOCAL}
    unread: asyncio.Queue[Message] = asyncio.Queue()  # after the body nothing comes: a client waits for the answer
    unread.put_nowait({"type": "http.request", "body": body, "more_body": False})

    async def send(_: Message) -> None:
        pass

    await target(scope, unread.get, send)


def request_scope(method: str, path: str, headers: Mapping[str, str]) -> dict[str, Any]:
    """An ASGI request of no client, as uvicorn would describe it."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": None,
        "server": None,
    }


def _behind_the_guards(app: FastAPI) -> ASGIApp:
    """What takes a request once its credentials count: these requests come from no client and have none."""
    layer: Any = app.build_middleware_stack()
    while not isinstance(layer, Authentication):
        layer = layer.app
    return layer.app


async def _one_event() -> AsyncGenerator[WireEvent, None]:
    yield {"type": "snapshot", "conversation_id": "", "turn": 0}

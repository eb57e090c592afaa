"""The two transports to a server: loss is reported at once, and messages may be changed before the SDK reads them."""

import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Self

import httpx2
from mcp.client import Transport
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

from agents.mcp.definition import ServerDefinition

if TYPE_CHECKING:
    from mcp.client._transport import ReadStream, TransportStreams
    from mcp.shared.message import SessionMessage

SESSION_HEADER = "mcp-session-id"

OnLost = Callable[[], None]
OnMessage = Callable[["SessionMessage | Exception"], None]


def open_transport(server: ServerDefinition, on_lost: OnLost, on_message: OnMessage) -> Transport:
    """The transport to the server, not open yet; `on_lost` is called as soon as no answer can come on it any more.

    `on_message` gets each message of the server, and may change it.
    """
    return _http(server, on_lost, on_message) if server.url is not None else _stdio(server, on_lost, on_message)


@asynccontextmanager
async def _stdio(
    server: ServerDefinition, on_lost: OnLost, on_message: OnMessage
) -> AsyncGenerator["TransportStreams", None]:
    program, *arguments = server.command
    parameters = StdioServerParameters(command=program, args=arguments, env=dict(server.environment))
    # The server's stderr goes where ours goes; `sys.stderr` itself may be no file.
    async with stdio_client(parameters, errlog=sys.__stderr__ or sys.stderr) as (reads, writes):
        yield _WatchedStream(reads, on_lost, on_message), writes


@asynccontextmanager
async def _http(
    server: ServerDefinition, on_lost: OnLost, on_message: OnMessage
) -> AsyncGenerator["TransportStreams", None]:
    assert server.url is not None

    async def check_session(response: httpx2.Response) -> None:
        if response.status_code == 404 and SESSION_HEADER in response.request.headers:
            on_lost()

    # A stream may be silent as long as a call runs, and calls have a timeout of their own.
    limits = httpx2.Timeout(server.connect_timeout, read=None, pool=None)
    async with (
        httpx2.AsyncClient(
            headers=dict(server.headers), timeout=limits, event_hooks={"response": [check_session]}
        ) as client,
        streamable_http_client(server.url, http_client=client) as (reads, writes),
    ):
        yield _WatchedStream(reads, on_lost, on_message), writes


class _WatchedStream:
    """A stream of messages that calls `on_message` with each, and `on_end` at its end, before its reader sees it."""

    def __init__(self, stream: "ReadStream[SessionMessage | Exception]", on_end: OnLost, on_message: OnMessage) -> None:
        self._stream = stream
        self._on_end = on_end
        self._on_message = on_message

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> "SessionMessage | Exception":
        try:
            message = await self._stream.__anext__()
        except StopAsyncIteration:
            self._on_end()
            raise
        self._on_message(message)
        return message

    async def receive(self) -> "SessionMessage | Exception":
        message = await self._stream.receive()
        self._on_message(message)
        return message

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def __aenter__(self) -> Self:
        await self._stream.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        return await self._stream.__aexit__(kind, error, traceback)

"""The two ways to a server, each of which tells when it is lost; the SDK would leave that to the next call."""

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

SESSION = "mcp-session-id"

Lost = Callable[[], None]


def transport(server: ServerDefinition, lost: Lost) -> Transport:
    """The way to the server, not open yet; `lost` is called as soon as no answer can come on it any more."""
    return _http(server, lost) if server.url is not None else _stdio(server, lost)


@asynccontextmanager
async def _stdio(server: ServerDefinition, lost: Lost) -> AsyncGenerator["TransportStreams", None]:
    program, *arguments = server.command
    parameters = StdioServerParameters(command=program, args=arguments, env=dict(server.environment))
    # What it writes to its stderr goes where ours goes; `sys.stderr` itself may be no file.
    async with stdio_client(parameters, errlog=sys.__stderr__ or sys.stderr) as (reads, writes):
        yield _Ending(reads, lost), writes


@asynccontextmanager
async def _http(server: ServerDefinition, lost: Lost) -> AsyncGenerator["TransportStreams", None]:
    assert server.url is not None

    async def look(response: httpx2.Response) -> None:
        if response.status_code == 404 and SESSION in response.request.headers:
            lost()

    # A stream may be silent for as long as a call takes, which has a limit of its own.
    limits = httpx2.Timeout(server.connect_timeout, read=None, pool=None)
    async with (
        httpx2.AsyncClient(headers=dict(server.headers), timeout=limits, event_hooks={"response": [look]}) as client,
        streamable_http_client(server.url, http_client=client) as streams,
    ):
        yield streams


class _Ending:
    """A stream of messages that tells of its end before its reader learns it."""

    def __init__(self, stream: "ReadStream[SessionMessage | Exception]", ended: Lost) -> None:
        self._stream = stream
        self._ended = ended

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> "SessionMessage | Exception":
        try:
            return await self._stream.__anext__()
        except StopAsyncIteration:
            self._ended()
            raise

    async def receive(self) -> "SessionMessage | Exception":
        return await self._stream.receive()

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

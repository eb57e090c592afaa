"""One session with a server, from its start to its loss. It runs in a task of its own; calls come from other tasks."""

import asyncio
import contextvars
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import mcp_types
import structlog
from mcp.client import Client, IncomingMessage
from mcp.client.subscriptions import SubscriptionLost
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from agents.mcp.definition import ServerDefinition
from agents.mcp.listing import ListingFilter
from agents.mcp.transport import open_transport

MAX_PAGES = 100
"""Pages of tools that are read from a server: a listing that never ends must not hold up the session."""
RELISTEN_SECONDS = 30.0
"""Seconds until a subscription that ended before its session did is opened again."""

log = structlog.get_logger(__name__)

OnProgress = Callable[[dict[str, Any]], None]
PROBE_SECONDS = 5.0
"""Seconds for a sign of life after a call had none; without one the server is ended, and started by the next call."""

OnTools = Callable[[Sequence[mcp_types.Tool], Sequence[str]], None]
OnEnd = Callable[["Session", Exception | None], None]


class Session:
    """A session in a task of its own: the SDK demands that the task which opened a session also closes it.

    `on_tools` gets the server's tools, and a sentence for each that is left out of them, before the session is open and
    whenever they change. A session that is `lost`
    takes no further calls; `on_end` is called when its connection and its process are gone.
    """

    def __init__(self, server: ServerDefinition, on_tools: OnTools, on_end: OnEnd) -> None:
        self.lost = False
        self._server = server
        self._on_tools = on_tools
        self._on_end = on_end
        self._listing = asyncio.Lock()
        self._filter = ListingFilter()
        self._probe: asyncio.Task[None] | None = None
        self._calls = 0
        self._closing = asyncio.Event()
        self._client: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        # A context of its own: the session outlives the caller that happens to need it first.
        self._task = asyncio.create_task(self._run(), name=f"mcp {server.name}", context=contextvars.Context())

    @property
    def opened(self) -> bool:
        """Whether it was ever open; it may be lost by now."""
        return self._client.done() and not self._client.cancelled()

    async def wait_opened(self, patience: float | None = None) -> None:
        """Wait until it is open, or cannot be opened, or until `patience` (in seconds) is over."""
        await asyncio.wait([self._client], timeout=patience)

    async def call(
        self, tool: str, arguments: dict[str, Any], on_progress: OnProgress, key: str
    ) -> mcp_types.CallToolResult:
        """Call the tool; `key` names the call, for servers that recognise a repetition.

        If the caller gives up, a server that gives no other sign of life either counts as hung: the session is lost.
        """

        async def report(progress: float, total: float | None, message: str | None) -> None:
            fields = {"progress": progress, "total": total, "message": message}
            on_progress({name: value for name, value in fields.items() if value is not None})

        meta: Any = {"raylogue/tool_call_id": key}
        self._calls += 1
        try:
            return await self._client.result().call_tool(tool, arguments, progress_callback=report, meta=meta)
        except asyncio.CancelledError:
            self._begin_probe()
            raise
        finally:
            self._calls -= 1
            if self.lost:
                self._mark_lost()

    async def wait_probed(self) -> None:
        """Wait until a server that may have hung has shown whether it lives."""
        if self._probe is not None:
            await asyncio.wait([self._probe])

    def _begin_probe(self) -> None:
        if not self.lost and (self._probe is None or self._probe.done()):
            self._probe = asyncio.create_task(self._find_out(), name=f"mcp probe {self._server.name}")

    async def _find_out(self) -> None:
        """Any answer is a sign of life, an error too. Without one, the calls that still wait get an error each."""
        try:
            async with asyncio.timeout(min(PROBE_SECONDS, self._server.connect_timeout)):
                with suppress(MCPError, ValidationError):
                    await self._client.result().list_tools()
        except TimeoutError:
            log.warning("mcp_server_hung", server=self._server.name)
            self.lost = True
            self._closing.set()

    async def aclose(self) -> None:
        """End it; a server that it started is gone afterwards."""
        self.lost = True
        self._closing.set()
        if not self._client.done():
            self._task.cancel()
        await asyncio.wait([self._task])

    def _mark_lost(self) -> None:
        self.lost = True
        if self._calls == 0:  # running calls may still get their answer
            self._closing.set()

    async def _run(self) -> None:
        failure: Exception | None = None
        try:
            await self._hold_open()
        except Exception as error:  # noqa: BLE001 - whatever the transport raises, alone or in groups, is the end
            failure = error
        finally:
            if self._probe is not None:
                self._probe.cancel()
            self._on_end(self, failure)
            self._client.cancel()

    async def _hold_open(self) -> None:
        try:
            async with AsyncExitStack() as stack:
                async with asyncio.timeout(self._server.connect_timeout):
                    client = await stack.enter_async_context(self._connecting())
                    await self._list(client)
                await stack.enter_async_context(self._listening(client))
                stack.callback(self._mark_lost)  # called before the client closes: calls must see the loss first
                self._client.set_result(client)
                await self._closing.wait()
        finally:
            self.lost = True

    def _connecting(self) -> Client:
        transport = open_transport(self._server, self._mark_lost, self._filter.filter)
        return Client(transport, message_handler=self._on_message, cache=None)

    async def _on_message(self, message: IncomingMessage) -> None:
        if isinstance(message, mcp_types.ToolListChangedNotification) and self.opened:
            client = self._client.result()
            if not _needs_subscription(client):
                with suppress(MCPError, TimeoutError):  # then the former list stays
                    await self._list(client)

    async def _list(self, client: Client) -> None:
        # One at a time, so that an older list never replaces a newer one.
        async with self._listing, asyncio.timeout(self._server.connect_timeout):
            self._filter.version = client.protocol_version
            self._filter.begin()
            page = await client.list_tools()
            tools = list(page.tools)
            for _ in range(MAX_PAGES):
                if page.next_cursor is None:
                    break
                page = await client.list_tools(cursor=page.next_cursor)
                tools += page.tools
            unfit = sorted({*self._filter.names} - {tool.name for tool in tools})
            problems = [f"Its tool {name!r} is left out: its headers are malformed." for name in unfit]
        self._on_tools(tools, [*self._filter.problems, *problems])

    @asynccontextmanager
    async def _listening(self, client: Client) -> AsyncIterator[None]:
        if not _needs_subscription(client):
            yield
            return
        task = asyncio.create_task(self._listen(client))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def _listen(self, client: Client) -> None:
        while not self.lost:
            with suppress(MCPError, SubscriptionLost, TimeoutError, ValidationError):
                async with client.listen(tools_list_changed=True) as changes:
                    await self._list(client)  # it may have changed before the subscription
                    async for _ in changes:
                        await self._list(client)
            await asyncio.sleep(RELISTEN_SECONDS)


def _needs_subscription(client: Client) -> bool:
    """Servers of the newer protocol report changes only to clients that subscribe."""
    offered = client.server_capabilities.tools
    return client.protocol_version in MODERN_PROTOCOL_VERSIONS and offered is not None and bool(offered.list_changed)

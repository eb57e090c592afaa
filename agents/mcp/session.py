"""One session with a server, from its start to its loss: it lives in a task of its own, calls come from any other."""

import asyncio
import contextvars
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import mcp_types
from mcp.client import Client, IncomingMessage
from mcp.client.subscriptions import SubscriptionLost
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from agents.mcp.definition import ServerDefinition
from agents.mcp.transport import transport

PAGES = 100
"""More pages of tools than any server has: a listing that never ends must not hold us."""
LISTEN_AGAIN = 30.0
"""Seconds until a subscription that ended before its session did is opened again."""

Progress = Callable[[dict[str, Any]], None]
Learn = Callable[[Sequence[mcp_types.Tool]], None]
Ended = Callable[["Session", Exception | None], None]


class Session:
    """The SDK binds a session to the task that opened it, which must also close it: so this task does nothing else.

    `learn` is told the server's tools before the session is open, and whenever they change. A session that is
    `lost` is of no use for further calls; `ended` is called when nothing is left of it, no connection and no process.
    """

    def __init__(self, server: ServerDefinition, learn: Learn, ended: Ended) -> None:
        self.lost = False
        self._server = server
        self._learn = learn
        self._ended = ended
        self._listing = asyncio.Lock()
        self._calls = 0
        self._over = asyncio.Event()
        self._client: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        # Of whoever happens to come first, the session inherits nothing.
        self._task = asyncio.create_task(self._live(), name=f"mcp {server.name}", context=contextvars.Context())

    @property
    def opened(self) -> bool:
        """It has been open; perhaps it is lost by now."""
        return self._client.done() and not self._client.cancelled()

    async def settled(self, patience: float | None = None) -> None:
        """Wait until it is open, or cannot be opened, or the patience (in seconds) is over."""
        await asyncio.wait([self._client], timeout=patience)

    async def call(self, tool: str, arguments: dict[str, Any], show: Progress, key: str) -> mcp_types.CallToolResult:
        """Call the tool; `key` names the call, for servers that want to recognise a repetition."""

        async def tell(progress: float, total: float | None, message: str | None) -> None:
            told = {"progress": progress, "total": total, "message": message}
            show({name: value for name, value in told.items() if value is not None})

        meta: Any = {"raylogue/tool_call_id": key}
        self._calls += 1
        try:
            return await self._client.result().call_tool(tool, arguments, progress_callback=tell, meta=meta)
        finally:
            self._calls -= 1
            if self.lost:
                self._lose()

    async def aclose(self) -> None:
        """End it; its server, if we started it, is gone afterwards."""
        self.lost = True
        self._over.set()
        if not self._client.done():
            self._task.cancel()
        await asyncio.wait([self._task])

    def _lose(self) -> None:
        self.lost = True
        if self._calls == 0:  # what is under way may still be answered
            self._over.set()

    async def _live(self) -> None:
        failure: Exception | None = None
        try:
            await self._stay()
        except Exception as error:  # noqa: BLE001 - whatever the transport raises, alone or in groups, is the end
            failure = error
        finally:
            self._ended(self, failure)
            self._client.cancel()

    async def _stay(self) -> None:
        try:
            async with AsyncExitStack() as stack:
                async with asyncio.timeout(self._server.connect_timeout):
                    client = await stack.enter_async_context(self._connecting())
                    await self._list(client)
                await stack.enter_async_context(self._listening(client))
                stack.callback(self._lose)  # the first to be called: before the client is closed to those who call
                self._client.set_result(client)
                await self._over.wait()
        finally:
            self.lost = True

    def _connecting(self) -> Client:
        return Client(transport(self._server, self._lose), message_handler=self._told, cache=None)

    async def _told(self, message: IncomingMessage) -> None:
        if isinstance(message, mcp_types.ToolListChangedNotification) and self.opened:
            client = self._client.result()
            if not _must_ask(client):
                with suppress(MCPError, TimeoutError):  # then the list of before stays
                    await self._list(client)

    async def _list(self, client: Client) -> None:
        # One after another, so that an older list never replaces a newer one.
        async with self._listing, asyncio.timeout(self._server.connect_timeout):
            page = await client.list_tools()
            tools = list(page.tools)
            for _ in range(PAGES):
                if page.next_cursor is None:
                    break
                page = await client.list_tools(cursor=page.next_cursor)
                tools += page.tools
        self._learn(tools)

    @asynccontextmanager
    async def _listening(self, client: Client) -> AsyncIterator[None]:
        if not _must_ask(client):
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
                    await self._list(client)  # nobody told us what changed before
                    async for _ in changes:
                        await self._list(client)
            await asyncio.sleep(LISTEN_AGAIN)


def _must_ask(client: Client) -> bool:
    """Servers of the newer protocol tell of changes to those alone who ask for it."""
    offered = client.server_capabilities.tools
    return client.protocol_version in MODERN_PROTOCOL_VERSIONS and offered is not None and bool(offered.list_changed)

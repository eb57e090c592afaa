"""The MCP servers of a process: its conversations share one connection to each."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from agents.tools.tool import Tool

if TYPE_CHECKING:
    from agents.mcp.connection import McpConnection
    from agents.mcp.server import McpServer


class McpPool:
    """One per process; it belongs to the event loop that first uses it, and ends with `aclose`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._connections: list[McpConnection] = []
        self._closed = False

    async def tools(self, servers: Sequence["McpServer"]) -> Sequence[Tool]:
        """The tools of all servers, in order; of a server that cannot be reached, the tools known from before."""
        offered = await asyncio.gather(*(self._connection_to(server).tools() for server in servers))
        return [tool for tools in offered for tool in tools]

    async def find(self, servers: Sequence["McpServer"], name: str) -> Tool | None:
        """The tool called `name`, if a server has it, or may have it: a server that was never reached may."""
        for server in servers:
            if (
                name.startswith(f"{server.name}__")
                and (tool := await self._connection_to(server).find(name)) is not None
            ):
                return tool
        return None

    async def aclose(self) -> None:
        """End every session; the servers that this process started are gone afterwards."""
        self._closed = True
        await asyncio.gather(*(connection.aclose() for connection in self._connections))

    def _connection_to(self, server: "McpServer") -> "McpConnection":
        for connection in self._connections:
            if connection.server == server:
                return connection
        connection = server.connection(self._clock, closed=self._closed)
        self._connections.append(connection)
        return connection

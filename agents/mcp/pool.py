"""The MCP servers of a process: its conversations share one connection to each."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from agents.mcp.definition import RecallTools, ReportServer
from agents.tools.tool import Tool

if TYPE_CHECKING:
    from agents.mcp.connection import McpConnection
    from agents.mcp.server import McpServer

MISSING = "These tools of it are missing: {}."


def _keep_to_the_log(server: str, tools: Sequence[str] | None, warnings: Sequence[str]) -> None:
    """No report: the connection has logged its warnings."""


async def _recall_nothing(server: str) -> Sequence[str]:
    """No memory of what other processes were offered."""
    return ()


class McpPool:
    """One per process; it belongs to the event loop that first uses it, and ends with `aclose`.

    `report` hears what each server offers, whenever it has been listed, and that it is away; `recall` is asked what a
    server offered to others.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        report: ReportServer = _keep_to_the_log,
        recall: RecallTools = _recall_nothing,
    ) -> None:
        self._clock = clock
        self._report = report
        self._recall = recall
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

    def problem_of(self, servers: Sequence["McpServer"], name: str) -> str | None:
        """Why there is no tool called `name`, if it is that its server cannot be reached: a sentence."""
        connections = [self._connection_to(server) for server in servers if name.startswith(f"{server.name}__")]
        return next((connection.problem for connection in connections if connection.problem), None)

    async def away(self, servers: Sequence["McpServer"]) -> Sequence[str]:
        """What to say of each server that cannot be reached, with its missing tools as far as they are known."""
        said: list[str] = []
        for connection in map(self._connection_to, servers):
            if connection.problem is not None:
                known = () if connection.has_tools else await self._recall(connection.server.name)
                said.append(f"{connection.problem} {MISSING.format(', '.join(known))}" if known else connection.problem)
        return said

    async def aclose(self) -> None:
        """End every session; the servers that this process started are gone afterwards."""
        self._closed = True
        await asyncio.gather(*(connection.aclose() for connection in self._connections))

    def _connection_to(self, server: "McpServer") -> "McpConnection":
        for connection in self._connections:
            if connection.server == server:
                return connection
        connection = server.connection(self._clock, self._report, closed=self._closed)
        self._connections.append(connection)
        return connection

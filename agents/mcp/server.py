"""An MCP server as an agent lists it. Importing this imports the SDK, which takes a second."""

from collections.abc import Callable

from agents.mcp.connection import McpConnection
from agents.mcp.definition import ReportServer, ServerDefinition


class McpServer(ServerDefinition):
    """A server that an agent lists: its definition, and the way to connect to it."""

    __slots__ = ()

    def connection(self, clock: Callable[[], float], report: ReportServer, *, closed: bool = False) -> McpConnection:
        """A connection to the server, not open yet; `clock` is in seconds and measures the pauses between tries."""
        return McpConnection(self, clock, report, closed=closed)

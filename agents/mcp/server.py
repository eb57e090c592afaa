"""An MCP server as an agent lists it. Importing this imports the SDK, which takes a second."""

from collections.abc import Callable

from agents.mcp.connection import Connection
from agents.mcp.definition import ServerDefinition


class McpServer(ServerDefinition):
    """A definition that can be connected to."""

    __slots__ = ()

    def connection(self, clock: Callable[[], float], *, closed: bool = False) -> Connection:
        """What reaches the server, not connected yet; `clock` is in seconds and measures the pauses between tries."""
        return Connection(self, clock, closed=closed)

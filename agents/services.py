"""What a conversation uses from outside: the ports, and the MCP servers that all conversations of a process share."""

from dataclasses import dataclass, field

from agents.mcp.pool import McpPool
from agents.ports import Tasks, ToolServices
from agents.tools.remote import LocalTasks


@dataclass(frozen=True, slots=True)
class Services(ToolServices):
    """One per process. Without a cluster, remote tools run in threads and no other conversation can be reached."""

    tasks: Tasks = field(default_factory=LocalTasks)
    mcp: McpPool = field(default_factory=McpPool)

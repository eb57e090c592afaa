"""What a conversation uses from outside: the ports, and the MCP servers that all conversations of a process share."""

from dataclasses import dataclass, field

from agents.arrivals import Arrivals
from agents.mcp.pool import McpPool
from agents.ports import Metrics, NoLimits, NoMetrics, Tasks, ToolServices, TurnLimits
from agents.tools.remote import LocalTasks
from agents.tracing import NoTracer, Tracer


@dataclass(frozen=True, slots=True)
class Services(ToolServices):
    """One per process. Without a cluster, remote tools run in threads and no other conversation can be reached.

    `is_alone` says that only one conversation lives in this process.
    """

    tasks: Tasks = field(default_factory=LocalTasks)
    mcp: McpPool = field(default_factory=McpPool)
    arrivals: Arrivals = field(default_factory=Arrivals)
    limits: TurnLimits = field(default_factory=NoLimits)
    metrics: Metrics = field(default_factory=NoMetrics)
    tracer: Tracer = field(default_factory=NoTracer)
    is_alone: bool = False

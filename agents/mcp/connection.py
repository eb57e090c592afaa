"""A server, as the conversations of a process share it: its tools, and the session that is opened when needed."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import mcp_types
import structlog
from mcp.shared.exceptions import MCPError
from pydantic import BeforeValidator, TypeAdapter, ValidationError

from agents.errors import ToolError
from agents.mcp.definition import ServerDefinition
from agents.mcp.names import exposed_name
from agents.mcp.results import content_of
from agents.mcp.session import Session
from agents.tools.tool import Signature, Tool, ToolContext
from agents.turn.events import Approval

GRACE = 1.0
"""Seconds that a turn waits for a server which has been tried before; after that it goes on with the tools known."""
LONGEST_PAUSE = 60.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Given:
    """The arguments of a call in one piece: to check them against its schema is the server's business."""

    arguments: dict[str, Any]


ANY_OBJECT = TypeAdapter(Annotated[Given, BeforeValidator(lambda arguments: {"arguments": arguments})])


class Connection:
    """Made by `McpServer.connection`; `clock` is in seconds."""

    def __init__(self, server: ServerDefinition, clock: Callable[[], float], *, closed: bool = False) -> None:
        self.server = server
        self._clock = clock
        self._names: dict[str, str] = {}
        self._tools: dict[str, Tool] = {}
        self._session: Session | None = None
        self._sessions: set[Session] = set()
        self._tried = False
        self._failures = 0
        self._again_at = clock()
        self._closed = closed

    async def tools(self) -> Sequence[Tool]:
        """What the server offers, or offered when it was last reached; only the first try is waited for in full."""
        session = self._current()
        if session is not None:
            await session.settled(GRACE if self._tried else None)
        return tuple(self._tools.values())

    async def find(self, name: str) -> Tool | None:
        """The tool called `name`. While nobody knows what the server has, one whose calls try to reach it."""
        if name not in self._tools:
            await self.tools()
        if not self._tools:
            return self._tool(name, mcp_types.Tool(name=name, input_schema={"type": "object"}))
        return self._tools.get(name)

    async def aclose(self) -> None:
        """End the session; afterwards the server counts as one that cannot be reached."""
        self._closed = True
        await asyncio.gather(*(session.aclose() for session in self._sessions))

    async def _call(self, name: str, arguments: dict[str, Any], context: ToolContext) -> Any:  # noqa: ANN401 - content
        for _ in range(2):
            session = await self._open()
            if name not in self._names:
                raise ToolError(f"The MCP server {self.server.name} has no such tool any more.")
            try:
                result = await session.call(self._names[name], arguments, context.progress, context.tool_call_id)
            except (MCPError, ValidationError, RuntimeError) as error:
                # A session that the server has forgotten did nothing with the call: the only one worth a repetition.
                if not isinstance(error, MCPError) or _broke(error) or not session.lost:
                    raise self._problem(error) from error
            else:
                return content_of(result)
        raise self._away()

    async def _open(self) -> Session:
        session = self._current()
        if session is not None:
            await session.settled()
        if session is None or session.lost or not session.opened:
            raise self._away()
        return session

    def _away(self) -> ToolError:
        return ToolError(f"The MCP server {self.server.name} cannot be reached.")

    def _problem(self, error: Exception) -> ToolError:
        if _broke(error):
            return ToolError(
                f"The MCP server {self.server.name} cannot be reached. If it had begun with the call, "
                "the outcome is unknown: find out before you repeat it."
            )
        if isinstance(error, MCPError):
            return ToolError(f"The MCP server {self.server.name} refused the call: {error.message}")
        log.warning("mcp_result_unreadable", server=self.server.name, error=str(error)[:500])
        return ToolError(f"The MCP server {self.server.name} gave a result that breaks its own promises.")

    def _current(self) -> Session | None:
        """The session that lives or is being opened, a new one when it is time for it, else None."""
        if self._session is None or self._session.lost:
            if self._closed or self._clock() < self._again_at:
                return None
            self._session = Session(self.server, self._learn, self._ended)
            self._sessions.add(self._session)
        return self._session

    def _ended(self, session: Session, failure: Exception | None) -> None:
        self._sessions.discard(session)
        if session.opened or self._closed:
            log.info("mcp_session_ended", server=self.server.name, error=_in_short(failure))
            return
        pause = min(2.0**self._failures, LONGEST_PAUSE)
        self._tried = True
        self._failures += 1
        self._again_at = self._clock() + pause
        log.warning("mcp_server_unreachable", server=self.server.name, error=_in_short(failure), next_try_in=pause)

    def _learn(self, tools: Sequence[mcp_types.Tool]) -> None:
        self._tried = True
        self._failures = 0
        named = {exposed_name(self.server.name, tool.name): tool for tool in tools}
        self._names = {name: tool.name for name, tool in named.items()}
        self._tools = {name: self._tool(name, tool) for name, tool in named.items()}

    def _tool(self, name: str, tool: mcp_types.Tool) -> Tool:
        return Tool(
            name=name,
            description=tool.description or tool.title or tool.name,
            input_schema=tool.input_schema,
            trust=self.server.trust,
            approval=self._approval(),
            timeout=self.server.timeout,
            on_unknown_outcome="report",
            function=partial(self._call, name),
            signature=Signature(ANY_OBJECT, ("arguments",), "context"),
        )

    def _approval(self) -> Approval:
        return self.server.approval if self.server.trust == "user_configurable" else _APPROVALS[self.server.trust]


_APPROVALS: dict[str, Approval] = {"auto": "auto", "requires_approval": "required"}


def _broke(error: Exception) -> bool:
    # Servers of their own accord answer with this code too: the SDK's words tell which it is.
    closed = isinstance(error, MCPError) and error.code == mcp_types.CONNECTION_CLOSED
    return closed and str(error).startswith(("Connection closed", "SSE stream"))


def _in_short(failure: BaseException | None) -> str | None:
    """The first of the errors in a group of groups, which is how the SDK reports a connection that broke."""
    while isinstance(failure, BaseExceptionGroup):
        failure = failure.exceptions[0]
    return None if failure is None else f"{type(failure).__name__}: {failure}"[:300]

"""The connection to a server, shared by all conversations of a process: its tools, and a session opened on demand."""

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
from agents.mcp.definition import ServerDefinition, exposed_name
from agents.mcp.results import content_of
from agents.mcp.session import Session
from agents.tools.tool import Signature, Tool, ToolContext
from agents.turn.events import Approval

GRACE = 1.0
"""Seconds that a turn waits for a server that has been tried before; then it goes on with the tools known so far."""
MAX_PAUSE = 60.0
"""Seconds between two tries to reach a server, at most; the pause doubles with each failure."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RawArguments:
    """The arguments of a call as they came: the server checks them against its own schema."""

    arguments: dict[str, Any]


ANY_OBJECT = TypeAdapter(Annotated[RawArguments, BeforeValidator(lambda arguments: {"arguments": arguments})])


class McpConnection:
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
        self._next_try_at = clock()
        self._closed = closed

    async def tools(self) -> Sequence[Tool]:
        """The tools of the server, or those it had when last reached; only the first try is waited for in full."""
        session = self._current()
        if session is not None:
            await session.wait_opened(GRACE if self._tried else None)
        return tuple(self._tools.values())

    async def find(self, name: str) -> Tool | None:
        """The tool called `name`; while the server was never reached, any name is a tool that tries to reach it."""
        if name not in self._tools:
            await self.tools()
        if not self._tools:
            return self._tool(name, mcp_types.Tool(name=name, input_schema={"type": "object"}))
        return self._tools.get(name)

    async def aclose(self) -> None:
        """End the session; afterwards the server counts as unreachable."""
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
                # Only a session that the server has forgotten is worth a retry: nothing was done with the call.
                if not isinstance(error, MCPError) or _is_broken_connection(error) or not session.lost:
                    raise self._tool_error(error) from error
            else:
                return content_of(result)
        raise self._unreachable()

    async def _open(self) -> Session:
        session = self._current()
        if session is not None:
            await session.wait_opened()
        if session is None or session.lost or not session.opened:
            raise self._unreachable()
        return session

    def _unreachable(self) -> ToolError:
        return ToolError(f"The MCP server {self.server.name} cannot be reached.")

    def _tool_error(self, error: Exception) -> ToolError:
        if _is_broken_connection(error):
            return ToolError(
                f"The MCP server {self.server.name} cannot be reached. If it had begun with the call, "
                "the outcome is unknown: find out before you repeat it."
            )
        if isinstance(error, MCPError):
            return ToolError(f"The MCP server {self.server.name} refused the call: {error.message}")
        log.warning("mcp_result_unreadable", server=self.server.name, error=str(error)[:500])
        return ToolError(f"The MCP server {self.server.name} gave a result that breaks its own promises.")

    def _current(self) -> Session | None:
        """The open session, or the one being opened; a new one when its time has come, else None."""
        if self._session is None or self._session.lost:
            if self._closed or self._clock() < self._next_try_at:
                return None
            self._session = Session(self.server, self._set_tools, self._session_ended)
            self._sessions.add(self._session)
        return self._session

    def _session_ended(self, session: Session, failure: Exception | None) -> None:
        self._sessions.discard(session)
        if session.opened or self._closed:
            log.info("mcp_session_ended", server=self.server.name, error=_short_error(failure))
            return
        pause = min(2.0**self._failures, MAX_PAUSE)
        self._tried = True
        self._failures += 1
        self._next_try_at = self._clock() + pause
        log.warning("mcp_server_unreachable", server=self.server.name, error=_short_error(failure), next_try_in=pause)

    def _set_tools(self, tools: Sequence[mcp_types.Tool]) -> None:
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


def _is_broken_connection(error: Exception) -> bool:
    # Servers answer with this code of their own accord too: the SDK's words tell the two apart.
    closed = isinstance(error, MCPError) and error.code == mcp_types.CONNECTION_CLOSED
    return closed and str(error).startswith(("Connection closed", "SSE stream"))


def _short_error(failure: BaseException | None) -> str | None:
    """The first error in nested groups, which the SDK raises when a connection breaks, as a short text."""
    while isinstance(failure, BaseExceptionGroup):
        failure = failure.exceptions[0]
    return None if failure is None else f"{type(failure).__name__}: {failure}"[:300]

"""The connection to a server, shared by all conversations of a process: its tools, and a session opened on demand."""

import asyncio
import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import mcp_types
import structlog
from mcp.shared.exceptions import MCPError
from pydantic import ValidationError

from agents.errors import ToolError
from agents.mcp.definition import ReportServer, ServerDefinition
from agents.mcp.offer import Offer, make_offer, unlisted_tool
from agents.mcp.results import content_of
from agents.mcp.session import Session
from agents.storable import storable_text
from agents.tools.tool import Tool, ToolContext

GRACE = 1.0
"""Seconds that a turn waits for a server that has been tried before; then it goes on with the tools known so far."""
MAX_PAUSE = 60.0
"""Seconds between two tries to reach a server, at most; the pause doubles with each failure."""

ENDING = "this process is ending"

_ADDRESS = re.compile(r"https?://[^\s'\"]+")
"""An address may carry a key: the log has it, the model and other people do not get it."""

log = structlog.get_logger(__name__)


class McpConnection:
    """Made by `McpServer.connection`; `clock` is in seconds, `report` hears what is offered after each listing."""

    def __init__(
        self, server: ServerDefinition, clock: Callable[[], float], report: ReportServer, *, closed: bool = False
    ) -> None:
        self.server = server
        self._clock = clock
        self._report = report
        self._offer = Offer()
        self._session: Session | None = None
        self._sessions: set[Session] = set()
        self._tried = False
        self._failures = 0
        self._cause = ENDING if closed else None
        self._next_try_at = clock()
        self._closed = closed

    async def tools(self) -> Sequence[Tool]:
        """The tools of the server, or those it had when last reached; only the first try is waited for in full."""
        session = self._current()
        if session is not None:
            await session.wait_opened(GRACE if self._tried else None)
        return tuple(offered.tool for offered in self._offer.tools.values())

    async def find(self, name: str) -> Tool | None:
        """The tool called `name`; while the server was never reached, any name is a tool that tries to reach it."""
        if name not in self._offer.tools:
            await self.tools()
        if not self._offer.tools:
            return unlisted_tool(self.server, name, partial(self._call, name))
        offered = self._offer.tools.get(name)
        return None if offered is None else offered.tool

    @property
    def has_tools(self) -> bool:
        """Whether the server has offered any to this process."""
        return bool(self._offer.tools)

    @property
    def problem(self) -> str | None:
        """That the last try to reach the server failed, and why, as a sentence; None if it did not, or was not made."""
        return None if self._cause is None else f"The MCP server {self.server.name} cannot be reached: {self._cause}."

    async def aclose(self) -> None:
        """End the session; afterwards the server counts as unreachable."""
        self._closed = True
        self._cause = ENDING
        await asyncio.gather(*(session.aclose() for session in self._sessions))

    async def _call(self, name: str, arguments: dict[str, Any], context: ToolContext) -> Any:  # noqa: ANN401 - content
        for _ in range(2):
            session = await self._open()
            offered = self._offer.tools.get(name)
            if offered is None:
                raise ToolError(f"The MCP server {self.server.name} has no such tool any more.")
            given = offered.arguments(arguments)
            try:
                result = await session.call(offered.name, given, context.progress, context.tool_call_id)
            except (MCPError, ValidationError, RuntimeError) as error:
                # Only a session that the server has forgotten is worth a retry: nothing was done with the call.
                if not isinstance(error, MCPError) or _is_broken_connection(error) or not session.lost:
                    raise self._tool_error(error) from error
            else:
                return content_of(result)
        raise self._unreachable()

    async def _open(self) -> Session:
        session = self._current()
        if session is not None and session.opened:
            await session.wait_probed()
            session = self._current()  # a server that hung is started anew
        if session is not None:
            await session.wait_opened()
        if session is None or session.lost or not session.opened:
            raise self._unreachable()
        return session

    def _unreachable(self) -> ToolError:
        return ToolError(
            self.problem or f"The MCP server {self.server.name} cannot be reached: the connection was lost."
        )

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
        error = _short_error(failure)
        self._cause = "it ended at once" if error is None else _ADDRESS.sub("its address", storable_text(error))
        log.warning("mcp_server_unreachable", server=self.server.name, error=error, next_try_in=pause)
        tools = list(self._offer.tools) or None
        self._report(self.server.name, tools, [*self._offer.warnings, f"It cannot be reached: {self._cause}."])

    def _set_tools(self, tools: Sequence[mcp_types.Tool], problems: Sequence[str]) -> None:
        self._tried = True
        self._failures = 0
        self._cause = None
        offer = make_offer(self.server, tools, self._call, problems)
        if offer.warnings != self._offer.warnings:
            for warning in offer.warnings:
                log.warning("mcp_tool_changed", server=self.server.name, warning=warning)
        self._offer = offer
        self._report(self.server.name, list(offer.tools), offer.warnings)


def _is_broken_connection(error: Exception) -> bool:
    # Servers answer with this code of their own accord too: the SDK's words tell the two apart.
    closed = isinstance(error, MCPError) and error.code == mcp_types.CONNECTION_CLOSED
    return closed and str(error).startswith(("Connection closed", "SSE stream"))


def _short_error(failure: BaseException | None) -> str | None:
    """The first error in nested groups, which the SDK raises when a connection breaks, as a short text."""
    while isinstance(failure, BaseExceptionGroup):
        failure = failure.exceptions[0]
    return None if failure is None else f"{type(failure).__name__}: {failure}"[:300]

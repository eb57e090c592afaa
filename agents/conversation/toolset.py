"""The tools of one conversation: the agent's own, those of its middleware and those of its MCP servers."""

from collections.abc import Sequence

from agents.agent import Agent
from agents.services import Services
from agents.tools import Tool


class Toolset:
    """Finds tools by name; MCP servers are asked when it must be, and no sooner."""

    def __init__(self, agent: Agent, services: Services) -> None:
        self._servers = agent.mcp
        self._pool = services.mcp
        self._known = {tool.name: (tool, source) for tool, source in agent.sourced_tools()}

    async def offered(self) -> Sequence[Tool]:
        """All that the model may call now."""
        own = [tool for tool, _ in self._known.values()]
        return [*own, *await self._pool.tools(self._servers)] if self._servers else own

    async def find(self, name: str) -> Tool | None:
        """The tool of that name, if it (still) exists."""
        if name in self._known:
            return self._known[name][0]
        return await self._pool.find(self._servers, name) if self._servers else None

    def source(self, name: str) -> str | None:
        """The middleware that brought the tool."""
        return self._known[name][1] if name in self._known else None

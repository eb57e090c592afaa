"""What the MCP servers of agents offer: reported by the processes that are connected to them, read by all others."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import structlog

from agents.agent import Agent
from agents.mcp.definition import RecallTools, ReportServer, name_beside
from store import Store, StoreError

log = structlog.get_logger(__name__)


def report_to(store: Store) -> ReportServer:
    """A receiver for an `McpPool`: it writes to the store in the background."""
    running: set[asyncio.Task[None]] = set()

    async def write(server: str, tools: Sequence[str] | None, warnings: Sequence[str]) -> None:
        try:
            known = await _known_tools(store, server) if tools is None else tools
            await store.mcp_servers.report(server, orjson.dumps({"tools": known, "warnings": warnings}))
        except StoreError as error:  # it is listed again with the next process
            log.warning("mcp_report_lost", server=server, cause=str(error))

    def report(server: str, tools: Sequence[str] | None, warnings: Sequence[str]) -> None:
        task = asyncio.create_task(write(server, tools, warnings))
        running.add(task)
        task.add_done_callback(running.discard)

    return report


def recall_from(store: Store) -> RecallTools:
    """The memory of an `McpPool`: what was reported, by any process. While the store is away, nothing."""

    async def recall(server: str) -> Sequence[str]:
        try:
            return await _known_tools(store, server) or ()
        except StoreError as error:
            log.warning("mcp_tools_not_recalled", server=server, cause=str(error))
            return ()

    return recall


async def _known_tools(store: Store, server: str) -> Sequence[str] | None:
    entry = (await store.mcp_servers.all()).get(server)
    return None if entry is None else orjson.loads(entry)["tools"]


def describe_servers(agent: Agent, reported: Mapping[str, bytes]) -> list[dict[str, Any]]:
    """Each server of the agent with its tools, None before it was first listed, and warnings about them."""
    return [_describe(agent, server.name, reported.get(server.name)) for server in agent.mcp]


def _describe(agent: Agent, server: str, entry: bytes | None) -> dict[str, Any]:
    if entry is None:
        return {"name": server, "tools": None, "warnings": []}
    found = orjson.loads(entry)
    listed = found["tools"] or ()
    hidden = [name for name in listed if agent.tool(name) is not None]
    renamed = [f"Its tool {name} is called {name_beside(name)}: the agent has a tool {name} itself." for name in hidden]
    tools = [name_beside(name) if name in hidden else name for name in listed]
    return {
        "name": server,
        "tools": None if found["tools"] is None else tools,
        "warnings": [*found["warnings"], *renamed],
    }

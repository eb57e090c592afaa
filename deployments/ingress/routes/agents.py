"""The agents of this deployment: what a conversation can be created with, and what each can do."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter

from agents.agent import Agent
from agents.middleware.conversation_title import ConversationTitle
from agents.tools import Tool
from deployments.ingress.dependencies import Deps
from deployments.process.agents import is_offline
from deployments.process.mcp_servers import describe_servers

router = APIRouter(tags=["service"])


@router.get("/v1/agents")
async def agents(deps: Deps) -> dict[str, Any]:
    """Each with its models, its tools and MCP servers, and its policy for busy times.

    An MCP server has the tools that it offered when it was last listed, a warning if it could not be reached when it
    was last tried, and one about each tool that a provider would refuse: it was changed, or left out by itself.
    """
    catalog = deps.catalog
    has_servers = any(agent.mcp for agent in catalog.agents.values())
    reported = await deps.store.mcp_servers.all() if has_servers else {}
    return {
        "agents": [_agent_body(agent, agent.name == catalog.default, reported) for agent in catalog.agents.values()]
    }


def _agent_body(agent: Agent, default: bool, reported: Mapping[str, bytes]) -> dict[str, Any]:
    return {
        "name": agent.name,
        "description": agent.description,
        "suggestions": list(agent.suggestions),
        "default": default,
        "model": agent.model.name,
        "offline": is_offline(agent),
        "models": list(agent.models),
        "tools": [_tool_body(tool) for tool, _ in agent.sourced_tools()],
        "mcp": describe_servers(agent, reported),
        "output": None if agent.output is None else agent.output.model_json_schema(),
        "on_busy": agent.on_busy,
        "gives_titles": any(isinstance(middleware, ConversationTitle) for middleware in agent.middleware),
    }


def _tool_body(tool: Tool) -> dict[str, Any]:
    return {
        "name": tool.name,
        "description": tool.description.partition("\n")[0],
        "executor": tool.executor,
        "approval": tool.approval,
        "trust": tool.trust,
        "decisions": list(tool.decisions),
    }

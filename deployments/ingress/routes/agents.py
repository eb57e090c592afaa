"""The agents of this deployment: what a conversation can be created with, and what each can do."""

from typing import Any

from fastapi import APIRouter

from agents.agent import Agent
from agents.middleware.conversation_title import ConversationTitle
from agents.tools import Tool
from deployments.ingress.dependencies import Deps

router = APIRouter(tags=["service"])


@router.get("/v1/agents")
async def agents(deps: Deps) -> dict[str, Any]:
    """Each with its models, the tools known before an MCP server is asked, and its policy for busy times."""
    catalog = deps.catalog
    return {"agents": [_agent_body(agent, agent.name == catalog.default) for agent in catalog.agents.values()]}


def _agent_body(agent: Agent, default: bool) -> dict[str, Any]:
    return {
        "name": agent.name,
        "description": agent.description,
        "default": default,
        "model": agent.model.name,
        "models": list(agent.models),
        "tools": [_tool_body(tool) for tool, _ in agent.sourced_tools()],
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

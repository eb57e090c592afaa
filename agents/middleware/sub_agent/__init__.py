"""Sub-agents: conversations of their own that work for a tool call of another conversation and return one answer."""

from agents.middleware.sub_agent.sub_agent import SubAgent

__all__ = ["SubAgent"]

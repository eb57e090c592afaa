"""Sub-agents: conversations of their own that work for a tool call of another one, and hand back one answer."""

from agents.middleware.sub_agent.delegation import SubAgent

__all__ = ["SubAgent"]

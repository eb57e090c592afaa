"""What a replay tries: an agent as it is, or with another model, another prompt, or without some of its tools."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from agents.agent import Agent
from agents.middleware.pipeline.exchange import Request
from agents.middleware.pipeline.middleware import Middleware
from agents.middleware.pipeline.turn_context import TurnContext
from agents.middleware.retry import Retry
from agents.models import Model
from agents.models.retry import RetryPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Nothing of it is stored with the agent. A `model` takes the place of every model that people could choose."""

    model: Model | None = None
    system_prompt: str | None = None
    without_tools: Sequence[str] = ()

    def apply(self, agent: Agent) -> Agent:
        """The agent that answers in the replay. Raises `AgentDefinitionError`, and LookupError for an unknown tool."""
        known = {tool.name for tool, _ in agent.sourced_tools()}
        for name in self.without_tools:
            if name not in known and not agent.mcp:
                raise LookupError(f"{agent.name} has no tool {name}")
        changed = agent
        if self.model is not None:
            changed = replace(changed, model=self.model, models={})
        if self.system_prompt is not None:
            changed = replace(changed, system_prompt=self.system_prompt)
        if self.without_tools:
            changed = replace(changed, middleware=[*changed.middleware, WithoutTools(self.without_tools)])
        return changed


class WithoutTools(Middleware):
    """Keeps tools from the model, also those of other middleware and of MCP servers; stands nearest to the model."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = frozenset(names)

    async def before_model(self, request: Request, context: TurnContext) -> Request:
        return replace(request, tools=[tool for tool in request.tools if tool.name not in self._names])


def with_patience(agent: Agent, policy: RetryPolicy) -> Agent:
    """The agent, which asks an overloaded provider again for longer than where a person waits, unless it does."""
    if any(isinstance(middleware, Retry) for middleware in agent.each_middleware()):
        return agent
    patience = Retry(retries=policy.max_retries, first_pause=policy.first_pause, max_pause=policy.max_pause)
    return replace(agent, middleware=[*agent.middleware, patience])

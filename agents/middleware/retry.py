"""Retry: makes a failed call of the model again, on other models if need be, and calls of tools that are named."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from agents.errors import AgentDefinitionError, ModelError
from agents.middleware.pipeline.middleware import Middleware, StreamCall, ToolRun, overrides
from agents.middleware.pipeline.turn_context import TurnContext
from agents.models import Model, ModelEvent, ModelRequest
from agents.models.retry import TRANSIENT_REASONS, RetryPolicy
from agents.tools import ToolOutcome
from agents.turn.commands import RunTool

if TYPE_CHECKING:
    from agents.agent import Agent

log = structlog.get_logger(__name__)


class Retry(Middleware):
    """Only before the first token, and only for failures that pass: what watchers have seen is never taken back.

    `retries` is the number of further tries, of the agent's model and then of each of the `fallbacks`, in order;
    `tools` is that of a tool whose calls end in an error or a timeout, which must be safe to repeat. Between two
    tries there is a pause of `first` seconds that doubles, with jitter, up to `longest`; a provider's Retry-After
    goes before. A model that retries by itself multiplies its tries with these.
    """

    def __init__(
        self,
        *,
        retries: int = 2,
        fallbacks: Sequence[Model] = (),
        tools: Mapping[str, int] | None = None,
        first: float = 0.5,
        longest: float = 30.0,
    ) -> None:
        self._policy = RetryPolicy(max_retries=retries, first_pause=first, max_pause=longest)
        self._fallbacks = tuple(fallbacks)
        self._tools = dict(tools or {})
        self._pauses = {tool: replace(self._policy, max_retries=number) for tool, number in self._tools.items()}

    def init(self, agent: "Agent") -> None:
        for name in self._tools:
            tool = agent.tool(name)
            of_server = any(name.startswith(f"{server.name}__") for server in agent.mcp)
            if not of_server and (tool is None or tool.executor != "server"):
                raise AgentDefinitionError(agent.name, f"Retry names {name}, which is no tool that the server runs")
        if self._fallbacks and (skipped := self._inside(agent)):
            problem = f"fallbacks of Retry would go past {skipped[0]}: put Retry behind it"
            raise AgentDefinitionError(agent.name, problem)

    async def stream(
        self, request: ModelRequest, call: StreamCall, context: TurnContext
    ) -> AsyncGenerator[ModelEvent, None]:
        untried = [fallback.stream for fallback in self._fallbacks]
        taken = 0
        while True:
            started = False
            try:
                async with aclosing(call(request)) as events:
                    async for event in events:
                        started = True
                        yield event
            except ModelError as error:
                if started or error.reason not in TRANSIENT_REASONS:
                    raise
                pause = self._policy.pause(error, taken)
                if pause is None and not untried:
                    raise
                log.info("model_call_retried", conversation_id=context.conversation_id, reason=error.reason)
            else:
                return
            if pause is None:
                call, request, taken = untried.pop(0), replace(request, model=None), 0
            else:
                await asyncio.sleep(pause)
                taken += 1

    async def run_tool(self, command: RunTool, run: ToolRun, context: TurnContext) -> ToolOutcome:
        outcome = await run(command)
        policy = self._pauses.get(command.call.name)
        taken = 0
        while policy is not None and outcome.status != "ok" and (pause := policy.after(taken)) is not None:
            log.info("tool_call_retried", conversation_id=context.conversation_id, tool=command.call.name)
            await asyncio.sleep(pause)
            taken += 1
            outcome = await run(command)
        return outcome

    def _inside(self, agent: "Agent") -> list[str]:
        """The middleware between this one and the model that wants to see what is streamed."""
        everyone = list(agent.each_middleware())
        nearer = everyone[everyone.index(self) + 1 :]
        return [member.name for member in nearer if overrides(member, "stream")]

"""Retry: repeats failed model calls, on other models if necessary, and failed calls of the tools it names."""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from agents.definition_checks import (
    check_middleware,
    count_problems,
    element_problems,
    list_problems,
    mapping_problems,
    model_problems,
    seconds_problems,
)
from agents.errors import AgentDefinitionError, ModelError
from agents.middleware.pipeline.middleware import Middleware, StreamCall, ToolRun, overrides
from agents.middleware.pipeline.turn_context import TurnContext
from agents.models import Model, ModelEvent, ModelRequest
from agents.models.metering import report_retry, stream_of
from agents.models.provider import portable_request, provider_of
from agents.models.retry import TRANSIENT_REASONS, RetryPolicy
from agents.tools import ToolOutcome
from agents.turn.commands import RunTool

if TYPE_CHECKING:
    from agents.agent import Agent

log = structlog.get_logger(__name__)


class Retry(Middleware):
    """Retries a model only before the first token and after a transient failure: watchers never see text withdrawn.

    `retries` is the number of further tries, with the agent's model and then with each of the `fallbacks`, in order.
    `tools` has the number of further tries by name of a tool, after an error or a timeout; its calls must be safe to
    repeat. Between two tries there is a pause of `first_pause` seconds that doubles, with jitter, up to `max_pause`. A
    provider's Retry-After takes precedence. A model that retries by itself multiplies its tries with these.
    """

    def __init__(
        self,
        *,
        retries: int = 2,
        fallbacks: Sequence[Model] = (),
        tools: Mapping[str, int] | None = None,
        first_pause: float = 0.5,
        max_pause: float = 30.0,
    ) -> None:
        check_middleware(
            "Retry",
            count_problems("retries", retries, 0),
            list_problems("fallbacks", fallbacks, "models"),
            element_problems("fallbacks", fallbacks, model_problems),
            _tries_problems(tools),
            seconds_problems("first_pause", first_pause, or_zero=True),
            seconds_problems("max_pause", max_pause, or_zero=True),
        )
        self._policy = RetryPolicy(max_retries=retries, first_pause=first_pause, max_pause=max_pause)
        self._fallbacks = tuple(fallbacks)
        self._tools = dict(tools or {})
        self._tool_policies = {tool: replace(self._policy, max_retries=number) for tool, number in self._tools.items()}

    def init(self, agent: "Agent") -> None:
        for name in self._tools:
            tool = agent.tool(name)
            of_server = any(name.startswith(f"{server.name}__") for server in agent.mcp)
            if not of_server and (tool is None or tool.executor != "server"):
                raise AgentDefinitionError(agent.name, f"Retry names {name}, which is no tool that the server runs")
        if self._fallbacks and (skipped := self._skipped_by_fallbacks(agent)):
            problem = f"fallbacks of Retry would go past {skipped[0]}: put Retry behind it"
            raise AgentDefinitionError(agent.name, problem)

    async def stream(
        self, request: ModelRequest, call: StreamCall, context: TurnContext
    ) -> AsyncGenerator[ModelEvent, None]:
        remaining, provider = [*self._fallbacks], provider_of(context.model)
        retries_taken, name = 0, request.model or context.model.name
        while True:
            started, asked_at = False, time.monotonic()
            try:
                async with aclosing(call(request)) as events:
                    async for event in events:
                        started = True
                        yield event
            except ModelError as error:
                if started or error.reason not in TRANSIENT_REASONS:
                    raise
                pause = self._policy.pause(error, retries_taken)
                if pause is None and not remaining:
                    raise
                log.info("model_call_retried", conversation_id=context.conversation_id, reason=error.reason)
                report_retry(name, error, time.monotonic() - asked_at)
            else:
                return
            if pause is None:
                fallback = remaining.pop(0)
                name = fallback.name
                if provider_of(fallback) != provider:
                    request, provider = portable_request(request), provider_of(fallback)
                call, request, retries_taken = stream_of(fallback), replace(request, model=None), 0
            else:
                await asyncio.sleep(pause)
                retries_taken += 1

    async def run_tool(self, command: RunTool, run: ToolRun, context: TurnContext) -> ToolOutcome:
        outcome = await run(command)
        policy = self._tool_policies.get(command.call.name)
        retries_taken = 0
        while policy is not None and outcome.status != "ok" and (pause := policy.after(retries_taken)) is not None:
            log.info("tool_call_retried", conversation_id=context.conversation_id, tool=command.call.name)
            await asyncio.sleep(pause)
            retries_taken += 1
            outcome = await run(command)
        return outcome

    def _skipped_by_fallbacks(self, agent: "Agent") -> list[str]:
        """The middleware between this one and the model that wraps the stream."""
        middleware = list(agent.each_middleware())
        inner = middleware[middleware.index(self) + 1 :]
        return [member.name for member in inner if overrides(member, "stream")]


def _tries_problems(tools: Mapping[str, object] | None) -> Iterator[str]:
    if tools is not None:
        yield from mapping_problems("tools", tools, "numbers of tries")
        for name, tries in tools.items():
            yield from count_problems(f"tools[{name!r}]", tries, 0)

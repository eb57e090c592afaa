"""SubAgent: hands tasks to other agents, each in a conversation of its own, and returns their answers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from agents.agent import Agent
from agents.definition_checks import (
    check_middleware,
    count_problems,
    element_problems,
    flag_problems,
    list_problems,
    seconds_problems,
    shown,
)
from agents.errors import AgentDefinitionError, ToolError
from agents.middleware.pipeline.exchange import Reply, Request
from agents.middleware.pipeline.middleware import Middleware
from agents.middleware.pipeline.turn_context import TurnContext
from agents.middleware.sub_agent.orphan_guard import OrphanGuard
from agents.middleware.sub_agent.sub_agent_call import SubAgentCall, agent_path
from agents.tools import Tool, ToolContext, tool
from agents.turn.events import ToolCall

if TYPE_CHECKING:
    from agents.turn.inputs import ProposedCall

TASK = "task"
GENERAL = "general"
MAX_SECONDS = 86_400.0
MARGIN_SECONDS = 60.0

DESCRIPTION = """\
Hand a task to another agent and get its final answer. It starts without any knowledge of this conversation: the \
prompt must say everything that it needs, and what the answer should contain. Calls made together run side by side.

Agents: {agents}"""
GENERAL_DESCRIPTION = "the same instructions and tools as yours, for work that would fill this conversation"


class SubAgent(Middleware):
    """Adds the tool `task`, with which the model delegates to `agents` by name, and to a `general` copy of its agent.

    `max_depth` bounds how deep sub-agents may delegate further (1: not at all), `max_children` the calls in one turn. A
    call ends after `timeout` seconds, without the time spent waiting for people, and its sub-agent is cancelled. The
    conversations of an agent whose placement is `auto` are shared. Middleware that restricts the agent holds for all of
    them: it is `inherited`, and outside of theirs.
    """

    def __init__(
        self,
        agents: Sequence[Agent] = (),
        *,
        general: bool = True,
        max_depth: int = 2,
        max_children: int = 8,
        timeout: float = MAX_SECONDS,
    ) -> None:
        check_middleware(
            "SubAgent",
            list_problems("agents", agents, "agents"),
            element_problems("agents", agents, _agent_problems),
            flag_problems("general", general),
            count_problems("max_depth", max_depth),
            count_problems("max_children", max_children),
            seconds_problems("timeout", timeout),
        )
        self._agents = tuple(agents)
        self._general = general
        self._max_depth = max_depth
        self._max_children = max_children
        self._timeout = timeout
        self._orphan_guard = OrphanGuard()
        self._tool = self._task_tool()

    def init(self, agent: Agent) -> None:
        names = self._names()
        if not names:
            raise AgentDefinitionError(agent.name, "SubAgent has nobody to delegate to")
        if duplicates := [name for name in names if names.count(name) > 1]:
            raise AgentDefinitionError(agent.name, f"two of its sub-agents are called {duplicates[0]}")
        if with_slash := [name for name in names if "/" in name]:
            raise AgentDefinitionError(agent.name, f"the name of a sub-agent has no slash, unlike {with_slash[0]}")
        if self._max_depth < 1 or self._max_children < 1:
            raise AgentDefinitionError(agent.name, "SubAgent needs max_depth and max_children of at least 1")

    def tools(self) -> Sequence[Tool]:
        return (self._tool,)

    @property
    def sub_agents(self) -> Sequence[Agent]:
        return self._agents

    def delegate(self, agent: Agent, name: str) -> Agent | None:
        own = self._general_of(agent) if self._general and name == GENERAL else self._named(name)
        if own is None:
            return None
        own_middleware = [member for member in own.middleware if not isinstance(member, OrphanGuard)]
        delegate = _with_shared_placement(own)
        return replace(delegate, name=agent_path(agent.name, name), middleware=(self._orphan_guard, *own_middleware))

    async def before_model(self, request: Request, context: TurnContext) -> Request:
        """Leave the tool out at the greatest depth; a call of it is then refused as a call of an unknown tool."""
        if context.meta.depth < self._max_depth:
            return request
        return replace(request, tools=[offered for offered in request.tools if offered is not self._tool])

    async def after_model(self, reply: Reply, context: TurnContext) -> Reply:
        """Refuse the calls that are too many for one turn."""
        made = (event for event in context.events if isinstance(event, ToolCall) and event.turn == context.turn)
        room = self._max_children - sum(call.name == TASK for call in made)
        calls: list[ProposedCall] = []
        for call in reply.calls:
            room -= call.name == TASK
            refused = call.name == TASK and room < 0 and call.refusal is None
            calls.append(replace(call, refusal=self._too_many()) if refused else call)
        return replace(reply, calls=calls)

    def _task_tool(self) -> Tool:
        @tool(name=TASK, timeout=self._timeout + MARGIN_SECONDS)
        async def task(
            agent: Annotated[str, Field(description="The name of the agent.")],
            prompt: Annotated[str, Field(description="The task, complete in itself.", min_length=1)],
            context: ToolContext,
        ) -> str:
            """Hand a task to another agent."""
            return await self._sub_agent_call(agent, prompt, context).run(self._timeout)

        return replace(task, description=DESCRIPTION.format(agents=self._list()), on_cancel=self._cancel)

    def _sub_agent_call(self, agent: str, prompt: str, context: ToolContext) -> SubAgentCall:
        meta, services = context.meta, context.services
        if meta is None or services is None:
            raise ToolError("There is no conversation here that could delegate.")
        if agent not in self._names():
            raise ToolError(f"There is no agent named {agent}. Agents: {', '.join(self._names())}.")
        return SubAgentCall(agent, prompt, meta, context, services)

    async def _cancel(self, arguments: Mapping[str, Any], context: ToolContext) -> None:
        if context.meta is not None and context.services is not None:
            await SubAgentCall(str(arguments.get("agent")), "", context.meta, context, context.services).cancel()

    def _names(self) -> list[str]:
        return [*(agent.name for agent in self._agents), *([GENERAL] if self._general else [])]

    def _named(self, name: str) -> Agent | None:
        return next((agent for agent in self._agents if agent.name == name), None)

    def _general_of(self, agent: Agent) -> Agent:
        """A copy of the agent without structured output, which is for its own conversations only."""
        return replace(agent, output=None, until_tool=None)

    def _list(self) -> str:
        known = {agent.name: agent.description for agent in self._agents}
        if self._general:
            known[GENERAL] = GENERAL_DESCRIPTION
        return "; ".join(f"{name} ({what})" if what else name for name, what in known.items())

    def _too_many(self) -> str:
        return f"Not started: no more than {self._max_children} tasks in one turn."


def _agent_problems(what: str, agent: object) -> Iterator[str]:
    if not isinstance(agent, Agent):
        yield f"{what} is no Agent but {shown(agent)}"


def _with_shared_placement(agent: Agent) -> Agent:
    """The agent, with shared conversations unless it sets a placement: sub-agents are many and short-lived."""
    return replace(agent, placement="shared", ray=None) if agent.placement == "auto" else agent

"""What a middleware is: callbacks around a conversation and its model calls; override the ones you need.

The order of an agent's list is the order before the model (`handle_message`, `system_prompt`, `before_model`, `stream`
and `run_tool` from the outside in) and is reversed after it (`after_model`). Every callback may fail: the error names
the middleware, and the turn ends with the reason `middleware_failed`. What restricts an agent holds for its sub-agents
too, around their own middleware.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import ClassVar

from agents.agent import Agent, AgentMiddleware
from agents.middleware.pipeline.exchange import Reply, Request
from agents.middleware.pipeline.turn_context import TurnContext
from agents.models import ModelEvent, ModelRequest
from agents.tools import Tool, ToolOutcome
from agents.turn.commands import RunTool
from agents.turn.inputs import UserMessage

StreamCall = Callable[[ModelRequest], AsyncGenerator[ModelEvent, None]]
ToolRun = Callable[[RunTool], Awaitable[ToolOutcome]]


class Middleware:
    """The base class: does nothing.

    One instance serves every conversation of its agent, so it must not keep the state of any of them. `inherited` says
    that the sub-agents of the agent are bound by it as well, whatever middleware they have themselves.
    """

    inherited: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """Unique in an agent's list; errors and state patches carry it."""
        return type(self).__name__

    @property
    def members(self) -> "Sequence[Middleware]":
        """Itself; a group has several."""
        return (self,)

    @property
    def sub_agents(self) -> Sequence[Agent]:
        """The agents to which it delegates, except copies of its own agent."""
        return ()

    def init(self, agent: Agent) -> None:
        """Called once, when the agent is defined. Raises AgentDefinitionError if the agent is not acceptable."""

    def tools(self) -> Sequence[Tool]:
        """Tools for the model; each reads and patches this middleware's state through its ToolContext."""
        return ()

    def delegate(self, agent: Agent, name: str) -> Agent | None:
        """The agent of the conversations that work for `agent` under this name; derived anew each time."""
        return None

    def pass_down(self, agent: Agent) -> "Middleware | None":
        """What of it holds for the sub-agents of `agent`: all but its tools, if it is `inherited`."""
        return Inherited(self, agent.name) if self.inherited else None

    async def on_start(self, context: TurnContext) -> None:
        """An incarnation has taken up the conversation. Runs beside its work; an error is logged."""

    async def handle_message(self, message: UserMessage, context: TurnContext) -> UserMessage:
        """A message came in and is not logged yet: return it or a changed one; raise `Refused` to reject it."""
        return message

    async def system_prompt(self, context: TurnContext) -> str | None:
        """A section for the end of the system prompt. It should stay the same from call to call: it is cached."""
        return None

    async def before_model(self, request: Request, context: TurnContext) -> Request:
        """Change what is sent. Raise `Interrupt` to ask people first, `TurnStopped` to end the turn."""
        return request

    async def after_model(self, reply: Reply, context: TurnContext) -> Reply:
        """Change what the answer leads to, before it is logged. May raise `Interrupt` and `TurnStopped`."""
        return reply

    def stream(self, request: ModelRequest, call: StreamCall, context: TurnContext) -> AsyncGenerator[ModelEvent, None]:
        """Wrap the call: transform its events on the way to the watchers and the log, or call again."""
        return call(request)

    async def run_tool(self, command: RunTool, run: ToolRun, context: TurnContext) -> ToolOutcome:
        """Wrap the execution of a server tool."""
        return await run(command)


class Inherited(Middleware):
    """The middleware of the agent `above` in one of its sub-agents: under a name, and so with a state, of its own.

    It adds no tools, and does not check the definition of the sub-agent, which may lack what the middleware names.
    """

    inherited = True

    def __init__(self, middleware: Middleware, above: str) -> None:
        self.middleware = middleware
        self._above = above

    @property
    def name(self) -> str:
        return f"{self.middleware.name} of {self._above}"

    def pass_down(self, agent: Agent) -> Middleware:
        return self

    async def on_start(self, context: TurnContext) -> None:
        await self.middleware.on_start(context)

    async def handle_message(self, message: UserMessage, context: TurnContext) -> UserMessage:
        return await self.middleware.handle_message(message, context)

    async def system_prompt(self, context: TurnContext) -> str | None:
        return await self.middleware.system_prompt(context)

    async def before_model(self, request: Request, context: TurnContext) -> Request:
        return await self.middleware.before_model(request, context)

    async def after_model(self, reply: Reply, context: TurnContext) -> Reply:
        return await self.middleware.after_model(reply, context)

    def stream(self, request: ModelRequest, call: StreamCall, context: TurnContext) -> AsyncGenerator[ModelEvent, None]:
        return self.middleware.stream(request, call, context)

    async def run_tool(self, command: RunTool, run: ToolRun, context: TurnContext) -> ToolOutcome:
        return await self.middleware.run_tool(command, run, context)


def overrides(behaviour: AgentMiddleware, callback: str) -> bool:
    """Whether a middleware has its own version of a callback: the base class's does nothing."""
    own = behaviour.middleware if isinstance(behaviour, Inherited) else behaviour
    base = getattr(Middleware, callback)
    return getattr(type(own), callback, base) is not base

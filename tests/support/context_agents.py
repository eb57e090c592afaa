"""An agent that notes at each place the context in which it works, and kills its process on the way."""

import os
import signal
from typing import Any

import orjson

from agents.agent import Agent
from agents.context import AgentContext, current_context
from agents.middleware.pipeline.exchange import Request
from agents.middleware.pipeline.middleware import Middleware
from agents.middleware.pipeline.turn_context import TurnContext
from agents.middleware.sub_agent import SubAgent
from agents.models import Call, ModelRequest, ScriptedModel, Step
from agents.models.scripted.message_history import tool_returns
from agents.tools import ToolContext, tool
from store import ConversationMeta


def remade_context(tenant: str | None, principal: str | None, conversation: ConversationMeta) -> AgentContext:
    """The context of work that goes on without its message."""
    return AgentContext(tenant, principal, values={"remade": conversation.id})


def reflection() -> str:
    """The current context in one word."""
    context = current_context()
    return orjson.dumps([context.tenant, context.principal, dict(context.values)]).decode()


@tool(ray={"num_cpus": 0.1})
def reflect_remotely() -> str:
    """Tell the context in a process of its own."""
    return reflection()


class Mirror(Middleware):
    """Notes the context before each call of the model."""

    def __init__(self, ledger: Any) -> None:
        self._ledger = ledger

    async def before_model(self, request: Request, context: TurnContext) -> Request:
        self._ledger.note(context.meta.root, f"middleware-{context.meta.depth}", reflection())
        return request


def mirror(ledger: Any) -> Agent:
    """The agent; `ledger` is the one of the service's tools."""

    @tool
    async def reflect(context: ToolContext) -> str:
        """Note the context."""
        assert context.meta is not None
        ledger.note(context.meta.root, f"tool-{context.meta.depth}", reflection())
        return "noted"

    @tool
    async def die(context: ToolContext) -> str:
        """Kill the process the first time, note the context the second."""
        has_died = any(place == "died" for place, _ in ledger.read(context.conversation_id))
        ledger.note(context.conversation_id, "after-death" if has_died else "died", reflection())
        if not has_died:
            os.kill(os.getpid(), signal.SIGKILL)
        return "alive"

    def work(request: ModelRequest) -> Step:
        returned = tool_returns(request.messages)
        if not returned:
            return Step(
                calls=[Call("reflect"), Call("reflect_remotely"), Call("task", {"agent": "image", "prompt": "go"})]
            )
        if len(returned) == 3:
            return Step(calls=[Call("die")])
        return Step(" ".join(result.text for result in returned))

    image = Agent(
        name="image",
        model=ScriptedModel([Step(calls=[Call("reflect")]), Step("seen")]),
        tools=(reflect,),
        middleware=(Mirror(ledger),),
    )
    return Agent(
        name="mirror",
        model=ScriptedModel(work),
        tools=(reflect, reflect_remotely, die),
        middleware=(Mirror(ledger), SubAgent([image], general=False)),
        placement="dedicated",
    )

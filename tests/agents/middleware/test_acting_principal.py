"""Every callback of a middleware sees who acts now: the sender of the message at hand, or who has approved the call."""

from collections.abc import AsyncGenerator
from typing import Any

from agents.agent import Agent
from agents.context import AgentContext, current_context
from agents.middleware.pipeline.exchange import Reply, Request
from agents.middleware.pipeline.middleware import Middleware, StreamCall, ToolRun
from agents.middleware.pipeline.turn_context import TurnContext
from agents.models import ModelEvent, ModelRequest, ScriptedModel
from agents.models.scripted.steps import Call, Step
from agents.tools import ToolOutcome, tool
from agents.turn.commands import RunTool
from agents.turn.inputs import Resolve, UserMessage
from tests.support.conversations import World
from tests.support.conversations import rest as until_rest

Seen = list[tuple[str, str | None, str | None, str | None]]


class Watching(Middleware):
    """Notes for each callback: the principal of its context, and principal and tenant of the current one."""

    def __init__(self, seen: Seen) -> None:
        self.seen = seen

    def note(self, callback: str, context: TurnContext) -> None:
        now = current_context()
        self.seen.append((callback, context.principal, now.principal, now.tenant))

    async def on_start(self, context: TurnContext) -> None:
        self.note("on_start", context)

    async def handle_message(self, message: UserMessage, context: TurnContext) -> UserMessage:
        self.note("handle_message", context)
        return message

    async def before_model(self, request: Request, context: TurnContext) -> Request:
        self.note("before_model", context)
        return request

    async def after_model(self, reply: Reply, context: TurnContext) -> Reply:
        self.note("after_model", context)
        return reply

    async def stream(
        self, request: ModelRequest, call: StreamCall, context: TurnContext
    ) -> AsyncGenerator[ModelEvent, None]:
        self.note("stream", context)
        async for event in call(request):
            yield event

    async def run_tool(self, command: RunTool, run: ToolRun, context: TurnContext) -> ToolOutcome:
        self.note("run_tool", context)
        return await run(command)


@tool(approval="required")
async def work() -> str:
    """Work."""
    return "worked"


def sent_by(principal: str) -> tuple[UserMessage, AgentContext]:
    message = UserMessage(content=[{"type": "text", "text": "go"}], principal=principal)
    return message, AgentContext(tenant=f"tenant of {principal}", principal=principal)


async def test_each_callback_sees_who_acts(world: World) -> None:
    seen: Seen = []
    model: Any = ScriptedModel([Step("one"), Step(calls=[Call("work")]), Step("done")])
    agent = Agent(name="a", model=model, tools=(work,), middleware=(Watching(seen),))
    conversation = await world.start(agent)
    for principal in ("acme/ada", "acme/bob"):
        await conversation.send(*sent_by(principal))
        await until_rest(conversation)
    [call] = conversation.inspect().pending
    await conversation.resolve(Resolve(tool_call_id=call, decision="approve", principal="acme/cy"))
    await until_rest(conversation)

    owner = (await world.store.registry.get("c")).principal
    assert [entry[1:3] for entry in seen if entry[0] == "on_start"] == [(owner, owner)]
    rest = [entry for entry in seen if entry[0] != "on_start"]
    callbacks = ["handle_message", "before_model", "stream", "after_model"]
    by = {name: [entry for entry in rest if entry[2] == name] for name in ("acme/ada", "acme/bob", "acme/cy")}
    assert [entry[0] for entry in by["acme/ada"]] == callbacks
    assert [entry[0] for entry in by["acme/bob"]] == [*callbacks, *callbacks[1:]], "the turn stays the sender's"
    assert [entry[0] for entry in by["acme/cy"]] == ["run_tool"]
    assert all(entry[1] == entry[2] for entry in seen), "both say the same"
    assert {entry[3] for entry in by["acme/ada"]} == {"tenant of acme/ada"}
    assert {entry[3] for entry in by["acme/bob"]} == {"tenant of acme/bob"}

"""The context that goes with the work: each turn has the one that came with its message, and the log has none."""

import threading

import pytest

from agents.agent import Agent
from agents.context import AgentContext, current_context
from agents.errors import Refused
from agents.middleware.pipeline.exchange import Request
from agents.middleware.pipeline.middleware import Middleware
from agents.middleware.pipeline.turn_context import TurnContext
from agents.models import Call, ScriptedModel, Step
from agents.tools import Tool, tool
from agents.turn.inputs import Resolve, UserMessage
from tests.support.conversations import World, rest, until

ANN = AgentContext(tenant="acme", principal="ann", trace_id="t1", values={"plan": "gold"})
BOB = AgentContext(tenant="other", principal="bob", trace_id="t2", values={"plan": "tin"})


class Notes(Middleware):
    """Notes the context at each place where it is asked for."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, AgentContext]] = []

    def note(self, where: str) -> None:
        self.seen.append((where, current_context()))

    async def before_model(self, request: Request, context: TurnContext) -> Request:
        self.note("before_model")
        return request


def observed(**options: object) -> tuple[Agent, Notes]:
    notes = Notes()

    @tool
    async def here() -> str:
        """Look around."""
        notes.note("tool")
        return "ok"

    @tool
    def there() -> str:
        """Look around from a thread."""
        assert threading.current_thread() is not threading.main_thread()
        notes.note("thread")
        return "ok"

    @tool(approval="required")
    def gated() -> str:
        """Look around, if you may."""
        notes.note("gated")
        return "ok"

    return agent_with(notes, here, there, gated), notes


def agent_with(notes: Notes, *tools: Tool) -> Agent:
    steps = [Step(calls=[Call(each.name) for each in tools]), Step("done")] * 3
    return Agent(name="a", model=ScriptedModel(steps), tools=tools, middleware=(notes,))


def message(text: str = "hello", **more: object) -> UserMessage:
    return UserMessage(content=[{"type": "text", "text": text}], **more)  # type: ignore[arg-type]


async def test_tools_threads_and_middleware_see_it_and_an_approver_acts_in_person(world: World) -> None:
    agent, notes = observed()
    conversation = await world.start(agent)
    await conversation.send(message(principal="ann"), ANN)
    await rest(conversation)
    [key] = conversation.inspect().pending
    await conversation.resolve(Resolve(tool_call_id=key, decision="approve", principal="eve"))
    await rest(conversation)

    by_place = dict(notes.seen[:4])
    assert by_place["before_model"] == by_place["tool"] == by_place["thread"] == ANN
    assert by_place["gated"] == AgentContext("acme", "eve", "t1", {"plan": "gold"})
    with pytest.raises(TypeError):
        by_place["tool"].values["plan"] = "mine"  # type: ignore[index]


async def test_a_message_that_is_refused_changes_nothing(world: World) -> None:
    agent, notes = observed()
    conversation = await world.start(agent)
    await conversation.send(message(principal="ann"), ANN)
    await rest(conversation)
    with pytest.raises(Refused):
        await conversation.send(message("me too", principal="bob"), BOB)
    [key] = conversation.inspect().pending
    await conversation.resolve(Resolve(tool_call_id=key, decision="approve", principal="ann"), BOB)
    await rest(conversation)
    assert {context.tenant for _, context in notes.seen} == {"acme"}


async def test_a_queued_message_brings_its_own_for_its_own_turn(world: World) -> None:
    agent, notes = observed()
    conversation = await world.start(agent)
    await conversation.send(message(principal="ann"), ANN)
    await rest(conversation)
    await conversation.send(message("next", principal="bob", on_busy="queue"), BOB)
    [key] = conversation.inspect().pending
    await conversation.resolve(Resolve(tool_call_id=key, decision="approve", principal="ann"))
    await until(lambda: len(notes.seen) >= 6)
    assert [context.tenant for where, context in notes.seen if where == "before_model"] == ["acme", "acme", "other"]


async def test_after_a_crash_the_work_goes_on_for_the_owner(world: World) -> None:
    agent, notes = observed()
    conversation = await world.start(agent)
    await conversation.send(message(principal="ann"), ANN)
    await rest(conversation)
    [key] = conversation.inspect().pending
    await world.crash(conversation)
    conversation = await world.open(agent)
    await conversation.resolve(Resolve(tool_call_id=key, decision="approve", principal="eve"))
    await rest(conversation)
    assert dict(notes.seen)["gated"] == AgentContext(principal="eve")
    assert notes.seen[-1] == ("before_model", AgentContext(principal="ann"))


async def test_nothing_of_it_is_stored(world: World) -> None:
    agent, _ = observed()
    conversation = await world.start(agent)
    await conversation.send(message(principal="ann"), AgentContext("acme", "ann", "t1", {"token": "s3cr3t"}))
    await rest(conversation)
    assert b"s3cr3t" not in b"".join([record.data for record in await world.store.log.read("c")])

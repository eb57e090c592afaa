"""Middleware that asks people, keeps state, and runs in parallel."""

import asyncio
from dataclasses import replace

import pytest

from agents.agent import Agent
from agents.interrupt import Interrupt
from agents.middleware.parallel import Parallel
from agents.middleware.pipeline.exchange import Reply, Request
from agents.middleware.pipeline.middleware import Middleware
from agents.middleware.pipeline.turn_context import TurnContext
from agents.models import Call, ModelRequest, ScriptedModel, Step
from agents.tools import ToolContext, tool
from agents.turn.events import StatePatch, ToolCall
from agents.turn.inputs import Resolve
from tests.support.conversations import World, ends, rest, results, say, spoken


class AskFirst(Middleware):
    """Asks before the first call of each turn."""

    def __init__(self, prompt: str = "Go on?") -> None:
        self.prompt = prompt

    @property
    def name(self) -> str:
        return f"Toll {self.prompt}"

    async def before_model(self, request: Request, context: TurnContext) -> Request:
        if context.step > 1:
            return request
        if not context.answered_interrupts:
            context.patch(asked=context.state.get("asked", 0) + 1)
            raise Interrupt(self.prompt)
        answer = context.answered_interrupts[-1]
        decision = answer.resolution.decision if answer.resolution else "nobody"
        return replace(request, injected=[*request.injected, {"type": "text", "text": f"{self.prompt} {decision}"}])


class EchoScript:
    """A script that repeats the last text of the request."""

    def __init__(self) -> None:
        self.requests: list[ModelRequest] = []

    def __call__(self, request: ModelRequest) -> Step:
        self.requests.append(request)
        return Step(request.messages[-1]["content"][-1]["text"])


@pytest.mark.parametrize("crash", [False, True])
async def test_a_question_before_the_model_is_answered_and_the_model_never_sees_it(world: World, crash: bool) -> None:
    script = EchoScript()
    agent = Agent(name="a", model=ScriptedModel(script), middleware=(AskFirst(),))
    conversation = await world.start(agent)
    await say(conversation)
    assert await rest(conversation) == "awaiting_input"
    assert script.requests == []
    [(key, waits)] = conversation.inspect().pending.items()
    assert (waits["prompt"], waits["decisions"], waits["name"]) == ("Go on?", ["approve", "reject"], "Toll Go on?")
    if crash:
        await world.crash(conversation)
        conversation = await world.open(agent)

    await conversation.resolve(Resolve(tool_call_id=key, decision="approve", principal="bob"))
    assert await rest(conversation) == "idle"

    assert spoken(await world.events()) == [("Go on? approve", "completed")]
    assert len(script.requests) == 1
    assert [message["role"] for message in script.requests[0].messages] == ["user"]
    [call] = [event for event in await world.events() if isinstance(event, ToolCall)]
    assert call.source == "Toll Go on?"
    assert [event.patch for event in await world.events() if isinstance(event, StatePatch)] == [{"asked": 1}]

    await say(conversation, "again")
    await rest(conversation)
    [key] = conversation.inspect().pending
    await conversation.resolve(Resolve(tool_call_id=key, decision="reject"))
    await rest(conversation)
    assert spoken(await world.events())[-1] == ("Go on? reject", "completed")
    assert conversation.history.facts.state == {"Toll Go on?": {"asked": 2}}


async def test_several_questions_at_once_wait_for_the_last_answer(world: World) -> None:
    script = EchoScript()
    agent = Agent(
        name="a",
        model=ScriptedModel(script),
        middleware=(AskFirst("Now?"), Parallel(AskFirst("Here?"), AskFirst("Us?"))),
    )
    conversation = await world.start(agent)
    await say(conversation)
    await rest(conversation)
    keys = list(conversation.inspect().pending)
    assert len(keys) == 3
    for key in keys[:2]:
        await conversation.resolve(Resolve(tool_call_id=key, decision="approve"))
    assert await rest(conversation) == "awaiting_input"
    await conversation.resolve(Resolve(tool_call_id=keys[2], decision="approve"))
    assert await rest(conversation) == "idle"
    assert [block["text"] for block in script.requests[0].messages[-1]["content"][1:]] == [
        "Now? approve",
        "Here? approve",
        "Us? approve",
    ]


async def test_a_question_after_the_model_delays_the_end(world: World) -> None:
    class Review(Middleware):
        async def after_model(self, reply: Reply, context: TurnContext) -> Reply:
            raise Interrupt("Publish?", decisions=("approve", "reject"))

    conversation = await world.start(Agent(name="a", model=ScriptedModel([Step("draft")]), middleware=(Review(),)))
    await say(conversation)
    assert await rest(conversation) == "awaiting_input"
    assert spoken(await world.events()) == [("draft", "completed")]
    [key] = conversation.inspect().pending
    await conversation.resolve(Resolve(tool_call_id=key, decision="approve"))
    assert await rest(conversation) == "idle"
    assert ends(await world.events()) == [("completed", None)]


class Notes(Middleware):
    """Adds a tool that keeps state."""

    def tools(self) -> tuple[object, ...]:  # type: ignore[override]
        return (note,)


@tool
def note(text: str, context: ToolContext) -> str:
    """Take a note."""
    if text == "fail":
        context.patch({"lost": True})
        raise RuntimeError("no ink")
    context.patch({"notes": [*context.state.get("notes", ()), text]})
    return f"{len(context.state.get('notes', ()))} before"


async def test_a_tools_patches_last_across_calls_and_incarnations(world: World) -> None:
    calls = [Step(calls=[Call("note", {"text": text})]) for text in ("one", "two")]
    steps = [calls[0], Step("ok"), calls[1], Step("ok")]
    agent = Agent(name="a", model=ScriptedModel(steps), middleware=(Notes(),))
    conversation = await world.start(agent)
    await say(conversation)
    await rest(conversation)
    await world.crash(conversation)
    conversation = await world.open(agent)
    await say(conversation)
    await rest(conversation)
    assert conversation.history.facts.state == {"Notes": {"notes": ["one", "two"]}}
    assert results(await world.events()) == [("ok", "0 before"), ("ok", "1 before")]


async def test_a_tool_that_fails_patches_nothing(world: World) -> None:
    steps = [Step(calls=[Call("note", {"text": "fail"})]), Step("ok")]
    conversation = await world.start(Agent(name="a", model=ScriptedModel(steps), middleware=(Notes(),)))
    await say(conversation)
    await rest(conversation)
    assert conversation.history.facts.state == {}


class Meeting(Middleware):
    """Waits until all members of its group have been called."""

    def __init__(self, name: str, barrier: asyncio.Barrier) -> None:
        self._name = name
        self._barrier = barrier

    @property
    def name(self) -> str:
        return self._name

    async def before_model(self, request: Request, context: TurnContext) -> Request:
        await self._barrier.wait()
        return replace(request, system=[*request.system, self.name])


async def test_a_group_runs_at_the_same_time_and_appends_in_order(world: World) -> None:
    script = EchoScript()
    barrier = asyncio.Barrier(3)
    group = Parallel(*(Meeting(name, barrier) for name in "XYZ"))
    conversation = await world.start(Agent(name="a", model=ScriptedModel(script), middleware=(group,)))
    await say(conversation)
    await rest(conversation)
    assert script.requests[0].system == "X\n\nY\n\nZ"


async def test_a_member_that_does_more_than_append_is_named(world: World) -> None:
    class Greedy(Middleware):
        async def before_model(self, request: Request, context: TurnContext) -> Request:
            return replace(request, messages=[])

    group = Parallel(Greedy())
    conversation = await world.start(Agent(name="a", model=ScriptedModel([Step("hi")]), middleware=(group,)))
    await say(conversation)
    await rest(conversation)
    detail = (await world.events())[-1].detail  # type: ignore[union-attr]
    assert detail == (
        "The turn failed: the middleware Greedy failed in before_model: in a parallel group it may only append."
    )

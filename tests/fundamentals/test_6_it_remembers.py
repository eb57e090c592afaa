"""Lesson 6: incarnations come and go, the conversation stays; it loses nothing and goes on by itself."""

import asyncio

import pytest

from agents.agent import Agent
from agents.errors import Superseded
from agents.examples import assistant
from agents.examples.offline.assistant import assistant_script
from agents.models import Call, ScriptedModel, Step
from agents.tools import tool
from agents.turn.events import ToolCall
from tests.support.conversations import World, ends, rest, results, say, spoken


async def test_it_remembers_after_a_crash(world: World) -> None:
    agent = assistant(ScriptedModel(assistant_script))
    conversation = await world.start(agent)
    await conversation.ask("my name is Ada")

    await world.crash(conversation)
    conversation = await world.open(agent)

    answer = await conversation.ask("what is my name?")
    assert answer.text == "Your name is Ada."
    assert spoken(await world.events())[-1] == ("Your name is Ada.", "completed")


async def test_a_question_that_was_open_is_answered_by_the_next_incarnation(world: World) -> None:
    hanging = Agent(name="helper", model=ScriptedModel([Step(hangs="before")]))
    conversation = await world.start(hanging)
    await say(conversation, "are you there?")
    await world.crash(conversation)

    # No message is needed: opening the conversation is enough.
    conversation = await world.open(Agent(name="helper", model=ScriptedModel([Step("Yes.")])))

    assert await rest(conversation) == "idle"
    assert spoken(await world.events()) == [("Yes.", "completed")]
    assert ends(await world.events()) == [("completed", None)]


async def test_a_call_that_was_running_is_repeated_under_its_id(world: World) -> None:
    ids: list[str] = []
    begun = asyncio.Event()

    @tool
    async def brew() -> str:
        """Make coffee; hangs the first time."""
        begun.set()
        if len(ids) == 0:
            ids.append("first")
            await asyncio.Event().wait()
        return "coffee"

    agent = Agent(name="barista", model=ScriptedModel([Step(calls=[Call("brew")]), Step("Here.")]), tools=(brew,))
    conversation = await world.start(agent)
    await say(conversation, "coffee, please")
    await begun.wait()
    await world.crash(conversation)

    conversation = await world.open(agent)

    # The model is not asked again for what it had decided: one call, one result.
    await rest(conversation)
    events = await world.events()
    assert sum(isinstance(event, ToolCall) for event in events) == 1
    assert results(events) == [("ok", "coffee")]


async def test_the_older_of_two_incarnations_steps_aside(world: World) -> None:
    agent = assistant(ScriptedModel(assistant_script))
    older = await world.start(agent)
    newer = await world.open(agent)

    # The log decides which incarnation may write, whatever each of them believes.
    with pytest.raises(Superseded):
        await say(older, "hello?")
    assert older.gone.done()

    await say(newer, "hello!")
    assert await rest(newer) == "idle"

"""Lesson 7: what becomes of a message that meets a running turn is a choice: reject, queue, steer, interrupt."""

import asyncio

import pytest

from agents.agent import Agent
from agents.conversation import Conversation
from agents.errors import Refused
from agents.models import Call, ModelRequest, ScriptedModel, Step
from agents.models.scripted.message_history import user_texts
from agents.tools import tool
from tests.support.conversations import World, ends, rest, say, spoken


class Kitchen:
    """An agent that cooks until `done` is set, then repeats all that it has been told."""

    def __init__(self) -> None:
        self.begun, self.done = asyncio.Event(), asyncio.Event()

        @tool
        async def cook() -> str:
            """Cook something."""
            self.begun.set()
            await self.done.wait()
            return "cooked"

        self.agent = Agent(name="cook", model=ScriptedModel(self._answer), tools=(cook,))

    def _answer(self, request: ModelRequest) -> Step:
        heard = user_texts(request.messages)
        if heard == ["cook"] and request.messages[-1]["role"] == "user" and len(request.messages) == 1:
            return Step(calls=[Call("cook")])
        return Step(" + ".join(words for said in heard for words in said.split("\n")))

    async def at_work(self, world: World) -> Conversation:
        conversation = await world.start(self.agent)
        await say(conversation, "cook")
        await self.begun.wait()
        return conversation


async def test_reject_says_so_and_changes_nothing(world: World) -> None:
    kitchen = Kitchen()
    conversation = await kitchen.at_work(world)

    with pytest.raises(Refused) as refused:
        await say(conversation, "salt", on_busy="reject")

    assert refused.value.code == "turn_running"
    kitchen.done.set()
    await rest(conversation)
    assert spoken(await world.events())[-1] == ("cook", "completed")


async def test_queue_answers_afterwards_and_all_that_waited_together(world: World) -> None:
    kitchen = Kitchen()
    conversation = await kitchen.at_work(world)

    await say(conversation, "salt", on_busy="queue")
    receipt = await say(conversation, "pepper", on_busy="queue")
    assert receipt.turn == 2
    kitchen.done.set()

    assert await rest(conversation) == "idle"
    answers = [words for words, _ in spoken(await world.events())]
    assert answers == ["", "cook", "cook + salt + pepper"]
    assert ends(await world.events()) == [("completed", None)] * 2


async def test_steer_is_heard_before_the_model_is_asked_again(world: World) -> None:
    kitchen = Kitchen()
    conversation = await kitchen.at_work(world)

    receipt = await say(conversation, "salt", on_busy="steer")
    assert receipt.turn == 1
    kitchen.done.set()

    await rest(conversation)
    assert [words for words, _ in spoken(await world.events())] == ["", "cook + salt"]
    assert ends(await world.events()) == [("completed", None)]


async def test_interrupt_stops_the_turn_and_begins_another(world: World) -> None:
    kitchen = Kitchen()
    conversation = await kitchen.at_work(world)

    await say(conversation, "stop that", on_busy="interrupt")

    await rest(conversation)
    assert [words for words, _ in spoken(await world.events())] == ["", "cook + stop that"]
    assert ends(await world.events()) == [("cancelled", "interrupted"), ("completed", None)]

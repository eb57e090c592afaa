"""Messages that come at the same moment are acknowledged before their turns begin, and no turn waits for long."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from agents.agent import Agent
from agents.arrivals import Arrivals
from agents.models import ModelEvent, ModelRequest, ScriptedModel, Step
from tests.support.conversations import World, ends, rest, say

MANY = 20
LOOP_TURNS = 200
PATIENT = 3600.0


class NotedModel(ScriptedModel):
    """Notes when it is asked."""

    def __init__(self, notes: list[str]) -> None:
        super().__init__([Step("hi")])
        self._notes = notes

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        self._notes.append("asked")
        async for event in super().stream(request):
            yield event


@pytest.fixture
def arrivals(world: World) -> Arrivals:
    world.arrivals = Arrivals(patience=PATIENT)
    return world.arrivals


async def test_messages_of_one_moment_are_acknowledged_before_turns_begin(world: World, arrivals: Arrivals) -> None:
    notes: list[str] = []
    agent = Agent(name="a", model=NotedModel(notes))
    for number in range(MANY):
        await world.create(agent, f"c{number}")

    async def arrive(number: int) -> None:
        with arrivals.taking_in():
            await say(await world.open(agent, f"c{number}"))
            notes.append("acknowledged")

    await asyncio.gather(*map(arrive, range(MANY)))
    for number in range(MANY):
        await rest(world.doors.live[f"c{number}"])

    assert notes == ["acknowledged"] * MANY + ["asked"] * MANY


async def test_a_turn_waits_for_no_message_that_comes_later(world: World, arrivals: Arrivals) -> None:
    notes: list[str] = []
    conversation = await world.start(Agent(name="a", model=NotedModel(notes)))
    with arrivals.taking_in():
        await say(conversation)
        await loop_comes_round()
        assert not notes
        later = arrivals.taking_in()
        later.__enter__()

    await rest(conversation)

    assert ends(await world.events()) == [("completed", None)]
    later.__exit__(None, None, None)


async def test_a_message_that_is_held_up_holds_up_no_turn_for_ever(world: World) -> None:
    world.arrivals = Arrivals(patience=0.01)
    conversation = await world.start(Agent(name="a", model=ScriptedModel([Step("hi")])))
    with world.arrivals.taking_in():
        await say(conversation)
        await rest(conversation)

    assert ends(await world.events()) == [("completed", None)]


async def test_a_turn_that_waits_for_messages_can_be_cancelled(world: World, arrivals: Arrivals) -> None:
    notes: list[str] = []
    conversation = await world.start(Agent(name="a", model=NotedModel(notes)))
    with arrivals.taking_in():
        await say(conversation)
        await conversation.cancel()
        await rest(conversation)

    await loop_comes_round()
    assert not notes
    assert ends(await world.events()) == [("cancelled", "user_cancelled")]


async def loop_comes_round() -> None:
    for _ in range(LOOP_TURNS):
        await asyncio.sleep(0)

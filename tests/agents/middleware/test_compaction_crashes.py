"""Killed at every append, a conversation that compacts says the same in the end, and is never shown what is invalid."""

from collections.abc import Awaitable, Callable

import orjson
import pytest

from agents.agent import Agent
from agents.conversation import Conversation
from agents.turn.events import Summary
from tests.messages_api.rules import check_request
from tests.support.compaction import Model, agent_of
from tests.support.conversations import World, ends, rest, results, say, spoken, until
from tests.support.crashes import Moment, open_crashing, survives

LONG = "x" * 1950
SAID = (f"one {LONG}", "look 2", f"three {LONG}", "look 1x2", f"five {LONG}")
APPENDS = 24
"""At least as many as the story takes; where the summaries fall among them is left to chance."""


def scenario() -> tuple[Model, Agent]:
    """Everything is reached: stubs, window and summaries."""
    model = Model()
    return model, agent_of(model, stub=1500, window=2500, summary=2200, keep_steps=1, keep_turns=1)


def saying(words: str, client_id: str) -> Callable[[Conversation], Awaitable[None]]:
    """Say this once, however often it takes, and see the turn through."""

    async def act(conversation: Conversation) -> None:
        await rest(conversation)
        await say(conversation, words, client_id=client_id)
        await until(lambda: conversation.inspect().state == "idle")

    return act


async def play(world: World, crashes: list[tuple[int, Moment]]) -> Model:
    """The story; each life ends at its append."""
    model, agent = scenario()
    await world.create(agent)
    conversation, schedule = await open_crashing(world, agent, crashes)
    for number, words in enumerate(SAID):
        while not await survives(saying(words, f"message-{number}")(conversation), schedule):
            await world.crash(conversation)
            conversation, schedule = await open_crashing(world, agent, crashes)
    await until(lambda: conversation.history.summary)
    return model


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("append", range(1, APPENDS + 1))
async def test_the_story_is_the_same(world: World, append: int, moment: Moment) -> None:
    model = await play(world, [(append, moment), (2, moment)])

    events = await world.events()
    assert spoken(events) == [
        (f"you said {SAID[0]}", "completed"),
        ("", "completed"),
        ("", "completed"),
        ("looked 2 times", "completed"),
        (f"you said {SAID[2]}", "completed"),
        ("", "completed"),
        ("looked 1 times", "completed"),
        (f"you said {SAID[4]}", "completed"),
    ]
    assert [(status, content.split()[0]) for status, content in results(events)] == [
        ("ok", "0.0"),
        ("ok", "1.0"),
        ("ok", "0.0"),
        ("ok", "0.1"),
    ]
    assert ends(events) == [("completed", None)] * 5
    assert any(isinstance(event, Summary) for event in events)
    for request in model.asked:
        messages = orjson.loads(orjson.dumps(list(request.messages)))
        check_request({"model": "m", "max_tokens": 1, "messages": messages})

"""Killed at any append, a conversation that compacts ends the same, and each of its requests is valid."""

from collections.abc import Awaitable, Callable

import orjson
import pytest

from agents.agent import Agent
from agents.conversation import Conversation
from agents.turn.events import Summary
from tests.messages_api.rules import check_request
from tests.support.compaction import LookingModel, agent_of
from tests.support.conversations import World, ends, rest, results, say, spoken, until
from tests.support.crashes import Moment, open_crashing, survives

LONG = "x" * 1950
MESSAGES = (f"one {LONG}", "look 2", f"three {LONG}", "look 1x2", f"five {LONG}")
APPENDS = 24
"""At least as many as the conversation makes; where the summaries come among them varies."""


def scenario() -> tuple[LookingModel, Agent]:
    """An agent for which stubs, the window and summaries all are reached."""
    model = LookingModel()
    return model, agent_of(model, stub=1500, window=2500, summary=2200, keep_steps=1, keep_turns=1)


def say_once(words: str, client_id: str) -> Callable[[Conversation], Awaitable[None]]:
    """Send this message once, however often the act is repeated, and wait for the end of the turn."""

    async def act(conversation: Conversation) -> None:
        await rest(conversation)
        await say(conversation, words, client_id=client_id)
        await until(lambda: conversation.inspect().state == "idle")

    return act


async def play(world: World, crashes: list[tuple[int, Moment]]) -> LookingModel:
    """Send all messages; each incarnation but the last dies at its append."""
    model, agent = scenario()
    await world.create(agent)
    conversation, schedule = await open_crashing(world, agent, crashes)
    for number, words in enumerate(MESSAGES):
        while not await survives(say_once(words, f"message-{number}")(conversation), schedule):
            await world.crash(conversation)
            conversation, schedule = await open_crashing(world, agent, crashes)
    await until(lambda: conversation.history.summary)
    return model


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("append", range(1, APPENDS + 1))
async def test_the_conversation_is_the_same(world: World, append: int, moment: Moment) -> None:
    model = await play(world, [(append, moment), (2, moment)])

    events = await world.events()
    assert spoken(events) == [
        (f"you said {MESSAGES[0]}", "completed"),
        ("", "completed"),
        ("", "completed"),
        ("looked 2 times", "completed"),
        (f"you said {MESSAGES[2]}", "completed"),
        ("", "completed"),
        ("looked 1 times", "completed"),
        (f"you said {MESSAGES[4]}", "completed"),
    ]
    assert [(status, content.split()[0]) for status, content in results(events)] == [
        ("ok", "0.0"),
        ("ok", "1.0"),
        ("ok", "0.0"),
        ("ok", "0.1"),
    ]
    assert ends(events) == [("completed", None)] * 5
    assert any(isinstance(event, Summary) for event in events)
    for request in model.requests:
        messages = orjson.loads(orjson.dumps(list(request.messages)))
        check_request({"model": "m", "max_tokens": 1, "messages": messages})

"""Lesson 1: an agent, a conversation, a message, an answer; no Ray, no network, just a store."""

from collections.abc import AsyncIterator

import pytest

from agents import Catalog, Conversation, ScriptedModel
from agents.clock import now_ms
from agents.errors import Refused
from agents.examples import assistant
from agents.examples.offline.assistant import assistant_script
from agents.services import Services
from agents.turn.events import AssistantMsg, TurnEnded, UserMsg
from agents.turn.inputs import UserMessage
from store import Store
from tests.support.conversations import rest, say, text


@pytest.fixture
async def conversation(store: Store) -> AsyncIterator[Conversation]:
    # An agent is configuration, from code. This one needs no provider: its model plays a script.
    agent = assistant(ScriptedModel(assistant_script))

    # A conversation is an identity in the store. Opening it makes a live incarnation.
    await store.registry.create("first", agent=agent.name, principal="ada", now=now_ms())
    conversation = await Conversation.open(Services(store=store), "first", Catalog([agent]))
    yield conversation
    await conversation.stop()


async def test_a_person_says_hello_and_is_answered(conversation: Conversation) -> None:
    # Asking is sending a message and waiting for the answer of the turn that it begins.
    answer = await conversation.ask("hello")
    assert "Hello!" in answer.text
    assert (answer.turn, answer.outcome) == (1, "completed")


async def test_what_happened_stands_in_the_log(conversation: Conversation) -> None:
    # When `send` returns, the message is durable: it is event 1 of the log and begins turn 1.
    receipt = await conversation.send(UserMessage(content=text("hello"), principal="ada"))
    assert (receipt.seq, receipt.turn) == (1, 1)

    # The answer comes by itself; the turn is over when the conversation is at rest.
    await conversation.rest()

    # The log tells it in the past tense: asked, answered, ended. (Then the agent notes a title.)
    message, answer, end = conversation.history.events[:3]
    assert isinstance(message, UserMsg)
    assert isinstance(answer, AssistantMsg)
    assert "Hello!" in answer.content[0]["text"]
    assert isinstance(end, TurnEnded)
    assert end.outcome == "completed"


async def test_the_same_message_sent_twice_is_one_message(conversation: Conversation) -> None:
    # A client that got no answer sends again, with the id it gave the message: nothing is doubled.
    first = await say(conversation, "hello", client_id="a-1")
    again = await say(conversation, "hello", client_id="a-1")
    assert (again.seq, again.turn, again.duplicate) == (first.seq, first.turn, True)

    assert await rest(conversation) == "idle"
    assert sum(isinstance(event, UserMsg) for event in conversation.history.events) == 1


async def test_what_cannot_be_done_is_refused_by_name(conversation: Conversation) -> None:
    with pytest.raises(Refused) as refused:
        await conversation.cancel()
    assert refused.value.code == "not_running"
    assert conversation.history.events == [], "a refusal writes nothing"

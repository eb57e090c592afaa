"""Conversations without Ray: a script opens them, talks to them, and finds them again the next time."""

import asyncio
from pathlib import Path

import pytest

from agents.agent import Agent, Catalog
from agents.context import AgentContext
from agents.errors import AgentDefinitionError, Superseded, UnknownAgent
from agents.local import LocalConversations, local_conversations
from agents.middleware.sub_agent import SubAgent
from agents.models import Call, ModelRequest, ScriptedModel, Step
from agents.models.scripted.message_history import tool_returns, user_texts
from agents.turn.inputs import UserMessage
from store import ConversationNotFound, Store
from store.embedded import EmbeddedServerError
from tests.support.conversations import rest, text, until


def repeat(request: ModelRequest) -> Step:
    return Step(" / ".join(user_texts(request.messages)))


PARROT = Agent(name="parrot", model=ScriptedModel(repeat))
MUTE = Agent(name="mute", model=ScriptedModel([Step(hangs="before")]))


async def test_what_was_said_is_there_again_the_next_time(tmp_path: Path) -> None:
    async with local_conversations(PARROT, data_dir=tmp_path / "data") as conversations:
        assert str(await (await conversations.open("demo")).ask("one")) == "one"
    async with local_conversations(PARROT, data_dir=str(tmp_path / "data")) as conversations:
        assert str(await (await conversations.open("demo")).ask("two")) == "one / two"


async def test_without_a_directory_nothing_is_kept() -> None:
    for _ in range(2):
        async with local_conversations(PARROT) as conversations:
            assert str(await (await conversations.open("demo")).ask("one")) == "one"


async def test_a_directory_serves_one_script_at_a_time(tmp_path: Path) -> None:
    async with local_conversations(PARROT, data_dir=tmp_path):
        with pytest.raises(EmbeddedServerError, match="another server"):
            async with local_conversations(PARROT, data_dir=tmp_path):
                pytest.fail("both use one directory")


async def test_a_conversation_keeps_its_agent_and_owner(store: Store) -> None:
    local = LocalConversations(store, Catalog([PARROT, MUTE]))
    conversation = await local.open("demo", agent="mute", principal="ada")
    assert (conversation.agent, conversation._driver.journal.meta.principal) == (MUTE, "ada")
    assert await local.open("demo") is conversation
    assert (await local.open("other")).agent is PARROT, "the first one is the default"
    with pytest.raises(UnknownAgent):
        await local.open("third", agent="nobody")
    with pytest.raises(ConversationNotFound):
        await local.reach("third")
    await local.aclose()
    assert conversation.gone.done()


async def test_a_turn_that_was_left_unfinished_goes_on(store: Store) -> None:
    before = LocalConversations(store, Catalog([MUTE]))
    conversation = await before.open("demo")
    asking = asyncio.create_task(conversation.ask("are you there?"))
    await until(lambda: conversation.inspect().waits_for)
    await before.aclose()
    with pytest.raises(Superseded):
        await asking
    after = LocalConversations(store, Catalog([Agent(name="mute", model=ScriptedModel(repeat))]))
    assert str(await (await after.open("demo")).answer()) == "are you there?"
    await after.aclose()


async def test_sub_agents_work_and_are_started_when_they_are_needed(store: Store) -> None:
    def work(request: ModelRequest) -> Step:
        if results := tool_returns(request.messages):
            return Step(f"It said: {results[0].text}")
        return Step(calls=[Call("task", {"agent": "parrot", "prompt": "hello"})])

    boss = Agent(name="boss", model=ScriptedModel(work), middleware=(SubAgent([PARROT], general=False),))
    local = LocalConversations(store, Catalog([boss]))
    conversation = await local.open("demo", principal="ada")
    assert str(await conversation.ask("go")) == "It said: hello"
    assert len(local.live) == 2
    await local.aclose()


async def test_a_command_finds_the_newest_incarnation_although_another_program_had_it(store: Store) -> None:
    local, other = (LocalConversations(store, Catalog([PARROT])) for _ in range(2))
    first = await local.open("demo", principal="ada")
    await (await other.open("demo")).ask("one")

    await local.send("demo", UserMessage(content=text("two"), principal="ada"), AgentContext())

    assert first.gone.done()
    assert await rest(local.live["demo"]) == "idle"
    assert str(await local.live["demo"].answer()) == "one / two"
    await asyncio.gather(local.aclose(), other.aclose())


async def test_a_conversation_that_many_ask_for_at_once_is_started_once(store: Store) -> None:
    local = LocalConversations(store, Catalog([PARROT]))
    found = await asyncio.gather(*(local.open("demo", principal="ada") for _ in range(10)))
    assert len(set(found)) == 1
    await local.aclose()


def test_a_catalog_needs_an_agent() -> None:
    with pytest.raises(ValueError, match="needs an agent"):
        Catalog([])


def test_agents_of_a_catalog_have_names_of_their_own() -> None:
    other = Agent(name="parrot", model=PARROT.model)
    with pytest.raises(AgentDefinitionError, match="has that name"):
        Catalog([PARROT, other])

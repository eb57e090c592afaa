"""The assistant offline: it knows in every conversation what it has to remember, and each one gets a title."""

from typing import Any

import pytest

from agents.examples import assistant
from agents.examples.offline.assistant import assistant_script
from agents.examples.offline.phrases import NOTHING_KNOWN
from agents.models import ModelRequest, ScriptedModel, Step
from store import Scope
from tests.support.conversations import World, rest, results, say, spoken, watching

ADA = Scope("user", "ada")


@pytest.fixture
def agent() -> Any:
    return assistant(ScriptedModel(assistant_script))


async def ask(world: World, conversation: Any, words: str) -> str:
    """The last answer, without the notice that it is offline."""
    await say(conversation, words)
    assert await rest(conversation) == "idle"
    answer, _ = spoken(await world.events(conversation.id))[-1]
    return answer.rpartition("\n\n")[2]


async def test_what_it_remembers_it_knows_in_other_conversations(world: World, agent: Any) -> None:
    first, second = await world.start(agent, "first"), await world.start(agent, "second")
    assert await ask(world, first, "what do you remember?") == NOTHING_KNOWN
    assert await ask(world, first, "remember: I drink tea") == "Remembered."
    assert await ask(world, second, "what do you know about me?") == "What you remember of the user:\n- I drink tea"
    assert await ask(world, second, "what is 6*7?") == "`6*7` is **42**."
    assert results(await world.events("second"))[-1] == ("ok", "42")
    assert await ask(world, second, "forget tea") == "Forgotten: I drink tea"
    assert await ask(world, first, "what do you remember?") == NOTHING_KNOWN


async def test_a_conversation_gets_its_title(world: World, agent: Any) -> None:
    conversation = await world.start(agent)
    async with watching(world.store) as watcher:
        await say(conversation, "tell me a story about a log")
        await watcher.until("title_changed", title="tell me a story about a…")
    assert (await world.store.registry.get("c")).title == "tell me a story about a…"


async def test_standing_instructions_are_part_of_every_prompt(world: World) -> None:
    seen: list[str] = []

    def listen(request: ModelRequest) -> Step:
        seen.append(request.system)
        return assistant_script(request)

    await world.store.files.write(ADA, "instructions.md", b"Speak like a pirate.", expected_version=None, now=1)
    await ask(world, await world.start(assistant(ScriptedModel(listen))), "hello")
    assert "# Standing instructions of the user\nSpeak like a pirate." in seen[0]
    await world.store.files.drop(ADA)

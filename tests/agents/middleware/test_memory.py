"""Memory: entries reach every conversation of a user, after the cached part of the request, and none is lost."""

import asyncio

import pytest
from structlog.testing import capture_logs

from agents.agent import Agent
from agents.clock import now_ms
from agents.memory import PersonalMemory
from agents.middleware.memory import TEACHING, Memory, correct_memory, forget, remember
from agents.middleware.pipeline.exchange import Request
from agents.middleware.pipeline.middleware import Middleware
from agents.middleware.pipeline.turn_context import TurnContext
from agents.models import Call, Step
from agents.services import Services
from agents.tools import Tool, ToolContext, run_tool
from agents.tools.tool import ToolOutcome
from store import Store, connect
from tests.servers.process import RedisServer
from tests.support.conversations import World, ends, rest, results, say, text, until
from tests.support.recorder import Recorder

SOURCE = {"conversation": "c", "turn": 0, "channel": "api", "agent": "mindful"}


def reminder(*entries: str) -> str:
    return "\n".join(["What you remember of the user:", *(f"- {entry}" for entry in entries)])


def mindful(recorder: Recorder) -> Agent:
    return Agent(name="mindful", model=recorder.model, system_prompt="Care.", middleware=[Memory()])


def memory_of(store: Store, person: str = "ada") -> PersonalMemory:
    return PersonalMemory(store, person, now_ms)


async def texts(store: Store, person: str = "ada") -> list[str]:
    return [entry.text for entry in await memory_of(store, person).entries()]


@pytest.fixture
async def context(store: Store) -> ToolContext:
    """A call for Ada, which Bob has approved, in a conversation that Carol owns."""
    meta = await store.registry.create("c", agent="mindful", principal="carol", now=now_ms())
    return ToolContext("c", "t", principal="bob", sender="ada", meta=meta, services=Services(store))


async def call(tool: Tool, words: str, context: ToolContext) -> ToolOutcome:
    return await run_tool(tool, {"text": words}, context)


async def test_an_entry_reaches_other_conversations(world: World) -> None:
    first = Recorder(Step(calls=[Call("remember", {"text": "Likes  tea.\n"})]), Step("Noted."))
    conversation = await world.start(mindful(first), "c")
    await say(conversation)
    await rest(conversation)
    assert first.requests[0].messages == [{"role": "user", "content": text("hello")}], "nothing is known yet"
    assert results(await world.events("c")) == [("ok", "Remembered.")]
    assert [block["type"] for block in first.last] == ["tool_result", "text"]
    assert first.last[1]["text"] == reminder("Likes tea.")

    second = Recorder(Step("Tea?"))
    conversation = await world.start(mindful(second), "d")
    await say(conversation)
    await rest(conversation)
    assert second.requests[0].system == first.requests[1].system == f"Care.\n\n{TEACHING}"
    assert [tool["name"] for tool in second.requests[0].tools] == [
        "remember",
        "search_memory",
        "correct_memory",
        "forget",
    ]
    assert second.requests[0].messages == [{"role": "user", "content": [*text("hello"), *text(reminder("Likes tea."))]}]
    assert second.requests[0].stable == 0


async def test_the_memory_is_that_of_the_person_whose_turn_it_is(store: Store, context: ToolContext) -> None:
    await call(remember, "Likes tea.", context)
    [entry] = await memory_of(store).entries()
    assert (entry.text, entry.source) == ("Likes tea.", SOURCE)
    assert await texts(store, "bob") == await texts(store, "carol") == []


async def test_in_a_shared_conversation_each_person_has_an_own_memory(world: World) -> None:
    await memory_of(world.store).add("Likes tea.", SOURCE)
    await memory_of(world.store, "bob").add("Likes coffee.", SOURCE)
    recorder = Recorder(Step("Tea?"), Step("Coffee?"), Step("What?"))
    conversation = await world.start(mindful(recorder), "c")
    for person in ("ada", "bob", "carol"):
        await say(conversation, principal=person)
        await rest(conversation)
    shown = [request.messages[-1]["content"][1:] for request in recorder.requests]
    assert shown == [text(reminder("Likes tea.")), text(reminder("Likes coffee.")), []]


async def test_a_repeated_entry_is_kept_once(store: Store, context: ToolContext) -> None:
    for words in ("Likes tea.", "Likes tea.", "likes TEA."):
        assert await call(remember, words, context) == ToolOutcome("Remembered.")
    assert await texts(store) == ["Likes tea."]


async def test_forget_and_correct_need_exactly_one_match(store: Store, context: ToolContext) -> None:
    for words in ("Likes green tea.", "Likes black tea.", "Has a cat."):
        await call(remember, words, context)
    several = "2 entries contain that; say which one, with more of its words:\n- Likes green tea.\n- Likes black tea."
    assert await call(forget, "tea", context) == ToolOutcome(several, "error")
    assert await call(forget, "GREEN tea", context) == ToolOutcome("Forgotten: Likes green tea.")
    assert await call(forget, "green tea", context) == ToolOutcome("No entry contains that.")
    corrected = await run_tool(correct_memory, {"old": "a cat", "new": "Has two cats."}, context)
    assert corrected == ToolOutcome("Corrected; it was: Has a cat.")
    missing = await run_tool(correct_memory, {"old": "a dog", "new": "Has two dogs."}, context)
    assert missing == ToolOutcome("No entry contains that.", "error")
    assert await texts(store) == ["Likes black tea.", "Has two cats."]


async def test_entries_are_found_by_words(store: Store, context: ToolContext) -> None:
    [_, search, *_] = Memory().tools()
    for words in ("Likes green tea.", "Drinks tea at noon.", "Has a cat."):
        await call(remember, words, context)
    found = await run_tool(search, {"query": "green tea"}, context)
    assert found == ToolOutcome("- Likes green tea.\n- Drinks tea at noon.")
    assert await run_tool(search, {"query": "dog"}, context) == ToolOutcome("No entry fits that.")


async def test_entries_are_bounded(context: ToolContext) -> None:
    assert "at most 500 characters" in str((await call(remember, "x" * 501, context)).content)
    assert "at least 1 character" in str((await call(remember, "", context)).content)
    assert await call(remember, " ", context) == ToolOutcome("That is not remembered: it is empty.", "error")


async def test_of_a_memory_that_is_too_long_what_fits_is_shown(world: World) -> None:
    memory = memory_of(world.store)
    await memory.add("The password of the shed is Hello.", SOURCE)
    for number in range(100):
        await memory.add(f"{number:02} ".ljust(97, "x"), SOURCE)
    recorder = Recorder(Step("Well."))
    conversation = await world.start(mindful(recorder))
    await say(conversation)
    await rest(conversation)
    lines = recorder.last[1]["text"].split("\n")
    assert lines[1] == "- The password of the shed is Hello.", "it has the words of the message"
    assert [line[2:4] for line in lines[2:-1]] == [f"{number:02}" for number in range(21, 100)], "the newest"
    assert lines[-1] == "(21 more, which search_memory finds.)"


@pytest.mark.parametrize("tool", [remember, forget])
async def test_concurrent_conversations_lose_no_entry(store: Store, context: ToolContext, tool: Tool) -> None:
    entries = [f"fact {number:02}." for number in range(12)]
    for entry in () if tool is remember else entries:
        await memory_of(store).add(entry, SOURCE)
    outcomes = await asyncio.gather(*(call(tool, entry, context) for entry in entries))
    assert {outcome.status for outcome in outcomes} == {"ok"}
    assert sorted(await texts(store)) == (entries if tool is remember else [])


class StopServer(Middleware):
    """Stops the server before the model is called."""

    def __init__(self, server: RedisServer) -> None:
        self._server = server

    async def before_model(self, request: Request, context: TurnContext) -> Request:
        self._server.kill()
        return request


async def test_a_turn_waits_while_the_memory_cannot_be_read(
    fragile: tuple[World, RedisServer], redis_prefix: str
) -> None:
    world, server = fragile
    await memory_of(world.store).add("Likes tea.", SOURCE)
    recorder = Recorder(Step("Tea?"))
    agent = Agent(name="mindful", model=recorder.model, middleware=[StopServer(server), Memory()])
    await world.create(agent)
    impatient = connect(server.url, prefix=redis_prefix, patience=0.0)
    conversation = await world.open(agent, store=impatient)
    with capture_logs() as logged:
        await say(conversation)
        await until(lambda: any(entry["event"] == "store_unavailable" for entry in logged))
        assert recorder.requests == []
        await asyncio.to_thread(server.start)
        assert await rest(conversation) == "idle"
    await world.crash(conversation)
    assert recorder.requests[0].messages[0]["content"] == [*text("hello"), *text(reminder("Likes tea."))]
    assert ends(await world.events()) == [("completed", None)]

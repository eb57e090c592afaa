"""Memory: entries reach every conversation of a user, after the cached part of the request, and none is lost."""

import asyncio

import pytest
from structlog.testing import capture_logs

from agents.agent import Agent
from agents.clock import now_ms
from agents.middleware.memory import TEACHING, Memory, forget, remember
from agents.middleware.pipeline.exchange import Request
from agents.middleware.pipeline.middleware import Middleware
from agents.middleware.pipeline.turn_context import TurnContext
from agents.models import Call, Step
from agents.services import Services
from agents.tools import Tool, ToolContext, run_tool
from agents.tools.tool import ToolOutcome
from store import Scope, Store, connect
from tests.servers.process import RedisServer
from tests.support.conversations import World, ends, rest, results, say, text, until
from tests.support.recorder import Recorder

OF_ADA = Scope("user", "ada")


def reminder(*entries: str) -> str:
    return "\n".join(["What you remember of the user:", *(f"- {entry}" for entry in entries)])


def mindful(recorder: Recorder) -> Agent:
    return Agent(name="mindful", model=recorder.model, system_prompt="Care.", middleware=[Memory()])


async def write(store: Store, content: str) -> None:
    await store.files.write(OF_ADA, "memory.md", content.encode(), expected_version=None, now=now_ms())


async def memory_of(store: Store, person: str = "ada") -> str:
    return (await store.files.read(Scope("user", person), "memory.md")).content.decode()


@pytest.fixture
async def context(store: Store) -> ToolContext:
    """A call by Bob in a conversation that Ada owns."""
    meta = await store.registry.create("c", agent="mindful", principal="ada", now=now_ms())
    return ToolContext("c", "t", principal="bob", meta=meta, services=Services(store))


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
    assert [tool["name"] for tool in second.requests[0].tools] == ["remember", "forget"]
    assert second.requests[0].messages == [{"role": "user", "content": [*text("hello"), *text(reminder("Likes tea."))]}]
    assert second.requests[0].stable == 0


async def test_the_memory_is_the_owners_also_if_another_person_acts(store: Store, context: ToolContext) -> None:
    await call(remember, "Likes tea.", context)
    assert await memory_of(store) == "- Likes tea.\n"
    assert await store.files.list(Scope("user", "bob")) == []


async def test_a_repeated_entry_is_kept_once(store: Store, context: ToolContext) -> None:
    for words in ("Likes tea.", "Likes tea.", "likes TEA."):
        assert await call(remember, words, context) == ToolOutcome("Remembered.")
    assert await memory_of(store) == "- Likes tea.\n"


async def test_what_a_person_wrote_stays_as_it_is(store: Store, context: ToolContext) -> None:
    await write(store, "# Me\n\nI live in Ulm.")
    await call(remember, "Likes tea.", context)
    assert await memory_of(store) == "# Me\n\nI live in Ulm.\n- Likes tea.\n"
    assert await call(forget, "ulm", context) == ToolOutcome("Forgotten: I live in Ulm.")
    assert await memory_of(store) == "# Me\n\n- Likes tea.\n"


async def test_forget_needs_exactly_one_match(store: Store, context: ToolContext) -> None:
    for words in ("Likes green tea.", "Likes black tea.", "Has a cat."):
        await call(remember, words, context)
    ambiguous = await call(forget, "tea", context)
    assert ambiguous == ToolOutcome(
        "2 entries contain that; say which one, with more of its words:\n- Likes green tea.\n- Likes black tea.",
        "error",
    )
    assert await call(forget, "GREEN tea", context) == ToolOutcome("Forgotten: - Likes green tea.")
    assert await call(forget, "green tea", context) == ToolOutcome("No entry contains that.")
    assert await memory_of(store) == "- Likes black tea.\n- Has a cat.\n"


async def test_entries_and_the_memory_are_bounded(store: Store, context: ToolContext) -> None:
    assert "at most 500 characters" in str((await call(remember, "x" * 501, context)).content)
    assert "at least 1 character" in str((await call(remember, "", context)).content)
    for number in range(15):
        await call(remember, f"{number:02}".ljust(499, "x"), context)
    full = await call(remember, "y" * 500, context)
    assert full == ToolOutcome("Your memory is full (7530 characters): forget something first.", "error")
    await call(forget, "00", context)
    assert await call(remember, "y" * 500, context) == ToolOutcome("Remembered.")


async def test_a_memory_that_is_too_long_is_shown_in_part(world: World) -> None:
    await write(world.store, "\n".join(["- " + "x" * 98] * 100))
    recorder = Recorder(Step("Well."))
    conversation = await world.start(mindful(recorder))
    await say(conversation)
    await rest(conversation)
    lines = recorder.last[1]["text"].split("\n")
    assert lines[1:-1] == ["- " + "x" * 98] * 79
    assert lines[-1] == "(There is more, which is not shown: 10099 characters are too many.)"


@pytest.mark.parametrize("tool", [remember, forget])
async def test_concurrent_conversations_lose_no_entry(store: Store, context: ToolContext, tool: Tool) -> None:
    entries = [f"fact {number:02}." for number in range(12)]
    await write(store, "" if tool is remember else "".join(f"- {entry}\n" for entry in entries))
    outcomes = await asyncio.gather(*(call(tool, entry, context) for entry in entries))
    assert {outcome.status for outcome in outcomes} == {"ok"}
    left = sorted(line for line in (await memory_of(store)).splitlines())
    assert left == ([f"- {entry}" for entry in entries] if tool is remember else [])


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
    await write(world.store, "- Likes tea.\n")
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

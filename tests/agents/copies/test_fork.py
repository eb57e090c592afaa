"""Forks: where they may end, what they begin with, and that there is never half of one."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from agents.agent import Agent
from agents.conversation import Conversation
from agents.copies.fork import NewFork, fork
from agents.copies.whole_turns import MAX_PAGE_EVENTS, read_whole_turns
from agents.errors import Refused
from agents.middleware.compaction import Compaction, Thresholds
from agents.models import Call, ModelRequest, ScriptedModel, Step
from agents.models.scripted.message_history import user_texts
from agents.tools import tool
from store import Archive, ConversationExists, ConversationMeta, ConversationNotFound, Scope
from store.errors import FileMissing
from store.registries.lists import of_principal
from tests.support.conversations import World, rest, say, spoken, until
from tests.support.invariants import check_at_rest
from tests.support.leaks import all_keys
from tests.support.long_log import write_log

NOW = 1_800_000_000_000
EVENTS = ["user_msg", "assistant_msg", "tool_call", "tool_result", "assistant_msg", "turn_ended"]
"""What a turn of the agent `caller` leaves in the log."""


@tool
def look(what: str) -> str:
    """Look something up."""
    return f"{what} is there"


@tool(approval="required")
def remove(what: str) -> str:
    """Remove something."""
    return f"{what} is gone"


def count(request: ModelRequest) -> Step:
    return Step(f"I have heard {len(user_texts(request.messages))} messages")


def caller() -> Agent:
    """It calls its tool in each turn."""

    def script(request: ModelRequest) -> Step:
        if request.messages[-1]["content"][-1]["type"] == "tool_result":
            return count(request)
        return Step(calls=[Call("look", {"what": "it"})])

    return Agent(name="caller", model=ScriptedModel(script), tools=[look])


async def forked(
    world: World, seq: int | None = None, name: str = "fork", *, source: str = "c", principal: str = "ada"
) -> ConversationMeta:
    meta = await world.store.registry.get(source)
    return await fork(world.store, meta, seq, NewFork(id=name, principal=principal, channel="api"), NOW)


async def three_turns(world: World, agent: Agent) -> Conversation:
    conversation = await world.start(agent)
    for number in range(3):
        await say(conversation, f"message {number}", client_id=f"m{number}")
        await rest(conversation)
    return conversation


@pytest.mark.parametrize(
    ("seq", "end"),
    [(None, 18), (18, 18), (12, 12), (1, 6), (3, 6), (4, 6), (7, 12), (13, 18), (0, 0)],
)
async def test_it_ends_with_a_whole_turn(world: World, seq: int | None, end: int) -> None:
    await three_turns(world, caller())
    whole = await world.log()
    assert len(whole) == 18
    made = await forked(world, seq)
    assert (made.forked_from, made.forked_seq, made.last_seq) == ("c", end, end)
    copied = await world.log("fork")
    assert copied == whole[:end]
    check_at_rest(copied)
    assert await world.log() == whole


async def test_it_is_a_conversation_of_its_own(world: World) -> None:
    agent = caller()
    conversation = await three_turns(world, agent)
    await world.store.registry.rename("c", "counting", NOW)
    made = await forked(world, 12)
    assert (made.agent, made.title, made.principal, made.channel) == ("caller", "counting", "ada", "api")
    assert (made.created_at, made.members, made.parent) == (NOW, {}, None)
    other = await world.open(agent, "fork")
    again = await say(other, "message 1", client_id="m1")
    assert (again.seq, again.duplicate) == (7, True)
    await say(other, "and another")
    await rest(other)
    await say(conversation, "elsewhere")
    await rest(conversation)
    assert spoken(await world.events("fork"))[-1] == ("I have heard 3 messages", "completed")
    assert spoken(await world.events("c"))[-1] == ("I have heard 4 messages", "completed")
    listed, _ = await world.store.registry.list(of_principal("ada"), limit=10)
    assert {meta.id for meta in listed} == {"c", "fork"}


async def test_a_turn_that_waits_for_people_is_left_out(world: World) -> None:
    def script(request: ModelRequest) -> Step:
        if user_texts(request.messages)[-1] == "remove":
            return Step(calls=[Call("remove", {"what": "it"})])
        return count(request)

    agent = Agent(name="remover", model=ScriptedModel(script), tools=[remove])
    conversation = await world.start(agent)
    await say(conversation, "remove")
    assert await rest(conversation) == "awaiting_input"
    with pytest.raises(Refused, match="first turn"):
        await forked(world)
    assert (await forked(world, 0, "empty")).last_seq == 0
    await conversation.cancel("ada")
    await say(conversation, "hello")
    await rest(conversation)
    ended = len(await world.log())
    await say(conversation, "remove")
    assert await rest(conversation) == "awaiting_input"
    later = len(await world.log())
    assert later > ended
    for number, seq in enumerate((None, ended + 1, later)):
        assert (await forked(world, seq, f"fork-{number}")).last_seq == ended


async def test_messages_that_waited_are_not_torn_from_their_turn(world: World) -> None:
    """The end of a turn behind which a message was held is no point of rest."""
    step = asyncio.Event()

    @tool
    async def wait() -> str:
        """Wait."""
        await step.wait()
        return "waited"

    def script(request: ModelRequest) -> Step:
        texts = user_texts(request.messages)
        is_result = request.messages[-1]["content"][-1]["type"] == "tool_result"
        return count(request) if is_result or len(texts) > 1 else Step(calls=[Call("wait", {})])

    agent = Agent(name="waiter", model=ScriptedModel(script), tools=[wait])
    conversation = await world.start(agent)
    await say(conversation, "first")
    await until(lambda: conversation.inspect().state == "executing_tools")
    await say(conversation, "second", on_busy="queue")
    step.set()
    await rest(conversation)
    types = [type(event).__name__ for event in await world.events()]
    assert types.count("TurnEnded") == 2
    end = types.index("TurnEnded") + 1
    assert (await forked(world, end)).last_seq == len(types)


async def test_its_files_are_copied_and_parted(world: World) -> None:
    await three_turns(world, caller())
    files, old, new = world.store.files, Scope("conversation", "c"), Scope("conversation", "fork")
    first = await files.write(old, "a/b.txt", b"one", expected_version=None, now=1)
    second = await files.write(old, "a/b.txt", b"two", expected_version=first, now=2)
    await files.write(old, "c.bin", b"\x00\xff", expected_version=None, now=3)
    await forked(world)
    assert await files.list(new) == await files.list(old)
    assert (await files.read(new, "a/b.txt")) == (await files.read(old, "a/b.txt"))
    await files.write(new, "a/b.txt", b"three", expected_version=second, now=4)
    await files.delete(new, "c.bin")
    assert (await files.read(old, "a/b.txt")).content == b"two"
    assert (await files.read(old, "c.bin")).content == b"\x00\xff"
    await world.store.registry.delete("c")
    assert (await files.read(new, "a/b.txt")).content == b"three"
    with pytest.raises(FileMissing):
        await files.read(old, "a/b.txt")


async def test_the_same_fork_is_one_and_an_id_is_taken_once(world: World) -> None:
    agent = caller()
    conversation = await three_turns(world, agent)
    made = await forked(world, 6)
    await say(await world.open(agent, "fork"), "it goes on")
    await rest(world.doors.live["fork"])
    await say(conversation, "so does this")
    await rest(conversation)
    again = await forked(world, 6)
    assert (again.id, again.forked_seq, again.created_at) == ("fork", 6, made.created_at)
    assert again.last_seq > 6
    for seq, principal in ((12, "ada"), (6, "bob")):
        with pytest.raises(ConversationExists):
            await forked(world, seq, principal=principal)
    both = await asyncio.gather(*(forked(world, 12, "other") for _ in range(2)))
    assert both[0] == both[1]


async def test_what_fails_leaves_nothing_behind(world: World, redis_url: str) -> None:
    await three_turns(world, caller())
    await world.store.files.write(Scope("conversation", "c"), "a", b"a", expected_version=None, now=1)
    meta = await world.store.registry.get("c")
    await world.store.registry.delete("c")
    async with Redis.from_url(redis_url) as redis:
        before = await all_keys(redis)
        with pytest.raises(ConversationNotFound):
            await fork(world.store, meta, None, NewFork(id="fork", principal="ada", channel="api"), NOW)
        assert await all_keys(redis) == before
    assert await world.store.registry.list(of_principal("ada"), limit=10) == ([], None)


async def test_a_summary_leads_to_the_same_facts(world: World) -> None:
    limits = Thresholds(stub=100_000, window=100_000, summary=30, working_set=30)
    compaction = Compaction(ScriptedModel([Step("They counted.")] * 100), thresholds=limits, keep_turns=1)
    agent = Agent(name="talker", model=ScriptedModel(count), middleware=(compaction,))
    conversation = await world.start(agent)
    for number in range(12):
        await say(conversation, f"message {number}")
        await rest(conversation)
    await until(lambda: conversation.history.summary is not None)
    await world.crash(conversation)  # so that no further summary comes
    meta = await world.store.registry.get("c")
    assert meta.summary_seq is not None
    made = await forked(world)
    assert made.summary_seq == meta.summary_seq
    before = await forked(world, meta.summary_seq // 2, "before")
    assert before.forked_seq < meta.summary_seq
    assert (before.summary_seq or 0) <= before.forked_seq
    for name in ("fork", "before"):
        other = await world.open(agent, name)
        await say(other, "and another")
        await rest(other)
        check_at_rest(await world.log(name))


class Place:
    """A world whose logs are partly in an archive."""

    def __init__(self, url: str, prefix: str, directory: Path) -> None:
        self.world = World(url, prefix, archive=lambda: Archive(str(directory), segment_events=500, keep_events=100))


@pytest.fixture
async def place(redis_url: str, redis_prefix: str, tmp_path: Path) -> AsyncIterator[Place]:
    place = Place(redis_url, redis_prefix, tmp_path / "archive")
    yield place
    await place.world.close()


async def test_the_archive_is_read_too(place: Place) -> None:
    world = place.world
    agent = Agent(name="talker", model=ScriptedModel(count))
    await write_log(world, agent, "c", turns=1000, keep=5, words="hello")
    claim = await world.store.log.claim("c")
    assert await world.store.log.move_to_archive(("c", claim.epoch), 0, 2500) == 2500
    made = await forked(world, 1500)
    assert (made.last_seq, made.summary_seq, made.archived_seq) == (1500, None, None)
    assert await world.log("fork") == (await world.log())[:1500]
    whole = await forked(world, name="whole")
    assert (whole.last_seq, whole.summary_seq) == (3001, 3001)
    await world.store.registry.delete("c")
    check_at_rest(await world.log("whole"))


async def test_a_long_log_is_never_in_memory_as_a_whole(world: World) -> None:
    agent = Agent(name="talker", model=ScriptedModel(count))
    await write_log(world, agent, "c", turns=1500, keep=5, words="hello " * 30)
    meta = await world.store.registry.get("c")
    parts = [turns.records async for turns in read_whole_turns(world.store, meta)]
    assert sum(map(len, parts)) == meta.last_seq == 4501
    sizes = [sum(len(record.data) for record in part) for part in parts]
    assert sum(sizes) > 10 * max(sizes)
    assert max(map(len, parts)) <= MAX_PAGE_EVENTS + 3
    assert (await forked(world)).last_seq == meta.last_seq

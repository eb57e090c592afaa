"""A long conversation whose beginning is in the archive: it lives on, and its log keeps its laws across the seam."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from agents.agent import Agent
from agents.middleware.compaction import Compaction, Thresholds
from agents.models import ModelRequest, ScriptedModel, Step
from agents.models.scripted.message_history import user_texts
from store import Archive
from tests.support.conversations import World, rest, say, spoken, until
from tests.support.invariants import check_at_rest
from tests.support.long_log import write_log

SEGMENT = 6
KEPT = 4


def remember(request: ModelRequest) -> Step:
    return Step(f"I have heard {len(user_texts(request.messages))} messages")


def talker() -> Agent:
    """An agent that has its oldest turns summarised soon."""
    limits = Thresholds(stub=100_000, window=100_000, summary=30, working_set=30)
    summariser = ScriptedModel([Step("They counted.")] * 100)
    compaction = Compaction(summariser, thresholds=limits, keep_turns=1)
    return Agent(name="talker", model=ScriptedModel(remember), middleware=(compaction,))


class Place:
    """A world whose processes share an archive."""

    def __init__(self, url: str, prefix: str, directory: Path) -> None:
        self.url = url
        self.directory = directory
        self.segment_events = SEGMENT
        self.world = World(url, prefix, archive=self.open)

    def open(self) -> Archive:
        return Archive(str(self.directory), segment_events=self.segment_events, keep_events=KEPT)

    async def archived(self) -> int:
        return (await self.world.store.registry.get("c")).archived_seq or 0

    async def memory(self, *kinds: str) -> int:
        """Bytes of these keys of the conversation in Redis."""
        keys = self.world.store.keys.conversation("c")
        async with Redis.from_url(self.url) as client:
            return sum([await client.memory_usage(getattr(keys, kind), samples=0) or 0 for kind in kinds])


@pytest.fixture
async def place(redis_url: str, redis_prefix: str, tmp_path: Path) -> AsyncIterator[Place]:
    place = Place(redis_url, redis_prefix, tmp_path / "archive")
    yield place
    await place.world.close()


async def test_it_is_moved_when_it_rests_and_is_revived_and_goes_on(place: Place) -> None:
    world, agent = place.world, talker()
    conversation = await world.start(agent)
    for number in range(12):
        await say(conversation, f"message {number}", client_id=f"m{number}")
        await rest(conversation)
    await until(lambda: conversation._driver.journal.archived_seq >= 2 * SEGMENT)
    whole = await world.log()
    check_at_rest(whole)
    assert len(whole) > 36

    await world.crash(conversation)
    conversation = await world.open(agent)
    assert conversation._driver.journal.archived_seq == await place.archived()
    again = await say(conversation, "message 0", client_id="m0")
    assert (again.seq, again.turn, again.duplicate) == (1, 1, True)
    await say(conversation, "and another")
    await rest(conversation)

    log = await world.log()
    assert log[: len(whole)] == whole
    assert spoken(await world.events())[-1][1] == "completed"


async def test_an_archive_that_is_away_stops_no_conversation(place: Place) -> None:
    world = place.world
    place.directory.write_text("a file where the directory should be")
    conversation = await world.start(talker())
    for number in range(12):
        await say(conversation, f"message {number}")
        assert await rest(conversation) == "idle"
    await until(lambda: conversation._driver._archiving._not_before)

    assert await place.archived() == 0
    assert conversation._driver._archiving._archive is not None
    check_at_rest(await world.log())

    place.directory.unlink()
    successor = await world.open(talker())
    await rest(successor)
    await until(lambda: successor._driver.journal.archived_seq)
    check_at_rest(await world.log())


async def test_what_no_summary_covers_stays(place: Place) -> None:
    conversation = await place.world.start(Agent(name="a", model=ScriptedModel(remember)))
    for number in range(12):
        await say(conversation, f"message {number}")
        await rest(conversation)

    assert (await place.world.store.registry.get("c")).archived_seq is None
    assert not place.directory.exists()


async def test_a_turn_does_not_wait_for_the_archive(place: Place) -> None:
    class Slow(Archive):
        begun, go = asyncio.Event(), asyncio.Event()

        async def write(self, *args: object) -> object:  # type: ignore[override]
            self.begun.set()
            await self.go.wait()
            return await super().write(*args)  # type: ignore[arg-type]

    place.world._archive = lambda: Slow(str(place.directory), segment_events=SEGMENT, keep_events=KEPT)
    conversation = await place.world.start(talker())
    for number in range(12):
        await say(conversation, f"message {number}")
        await rest(conversation)
    await Slow.begun.wait()

    await say(conversation, "still listening")
    assert await rest(conversation) == "idle"
    assert await place.archived() == 0

    Slow.go.set()
    await until(lambda: conversation._driver.journal.archived_seq)
    check_at_rest(await place.world.log())


async def test_redis_holds_of_ten_thousand_messages_what_it_holds_of_a_thousand(place: Place) -> None:
    place.segment_events = 500
    sizes = []
    for turns in (500, 2_500):  # a turn is two messages
        place.world.store = place.world.connect()
        await write_log(place.world, talker(), "c", turns=turns, keep=2, words="word " * 20)
        before = await place.memory("log", "clients")
        conversation = await place.world.open(talker())
        expected = (3 * turns - 6) // 500 * 500
        await until(lambda: conversation._driver.journal.archived_seq == expected)  # noqa: B023
        left = await place.memory("log", "meta", "clients", "segments")
        sizes.append((before, left))
        assert [record.seq for record in await place.world.store.log.read("c")] == list(range(1, 3 * turns + 2))
        assert await place.world.store.log.seq_of("c", "message-00000001") == 1
        conversation.abandon()
        await place.world.store.registry.delete("c")
        assert list(place.directory.iterdir()) == []
    (short, of_short), (long, of_long) = sizes
    assert long - short > 1_500_000
    assert (of_long - of_short) * 25 < long - short, "what remains of a message is the fingerprint of its id"

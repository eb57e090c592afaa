"""The feed: told in the same step as each effect, read by groups at their own pace; what every group has is gone."""

import asyncio
import re
from pathlib import Path

import pytest

from store import Fenced, Store
from store.errors import Conflict
from store.feed.entry import FeedEntry, Position
from store.feed.feed import Acknowledged
from store.feed.types import ALWAYS, FEED_TYPES
from store.keys import PARTITIONS
from store.records import Parent
from tests.store.conftest import Target
from tests.support.feed import all_told, told_of
from tests.support.leaks import all_keys
from tests.support.writer import NOW, Writer

ENDED = ("turn_ended", {"turn": 1, "outcome": "completed", "reason": None, "usage": {}, "cost": None})
STARTED = ("turn_started", {"turn": 1, "principal": "ada", "agent": "default"})


def feed_keys(store: Store, kind: str) -> set[bytes]:
    return {getattr(store.keys.feed(partition), kind).encode() for partition in range(PARTITIONS)}


async def test_without_a_group_there_is_no_feed(store: Store, target: Target) -> None:
    writer = await Writer.new(store, "c")
    await writer.append(b"one", feed=[STARTED])
    await store.registry.rename("c", "Title", NOW)

    assert not await all_keys(target.client()) & (feed_keys(store, "stream") | feed_keys(store, "groups"))
    assert await store.feed.states() == []


async def test_an_append_tells_the_feed_in_its_own_step(store: Store) -> None:
    await store.feed.register(["g"], NOW)
    writer = await Writer.new(store, "c")
    partition = store.keys.partition("c")
    await writer.append(b"one", feed=[STARTED, ENDED], now=NOW + 7)
    await writer.append(b"two")

    _, read = await store.feed.read(partition, Position(), 10)

    first = f"{partition}:{read.position.id}"
    assert read.position.number == 2
    always = {"owner": "ada", "root": "c"}
    assert list(read.told) == [
        FeedEntry(first, partition, "turn_started", "c", NOW + 7, {**STARTED[1], **always}),
        FeedEntry(f"{first}:1", partition, "turn_ended", "c", NOW + 7, {**ENDED[1], **always}),
    ]
    assert (read.told[0].owner, read.told[0].root) == ("ada", "c")


async def test_a_refused_append_tells_nothing_and_a_repeated_one_tells_once(store: Store) -> None:
    await store.feed.register(["g"], NOW)
    old = await Writer.new(store, "c")
    new = await Writer.of(store, "c")
    state = {"state": b"{}", "due_at": None, "now": NOW}
    with pytest.raises(Fenced):
        await old.append(b"late", feed=[ENDED])
    with pytest.raises(Conflict):
        await store.log.append(new.claim, [b"x"], expected_last_seq=5, feed=[ENDED], **state)
    run, answers = store.log._run_append, 0

    async def run_twice(*arguments: object) -> object:
        nonlocal answers
        answers += 1
        await run(*arguments)  # type: ignore[arg-type]
        return await run(*arguments)  # type: ignore[arg-type]

    store.log._run_append = run_twice  # type: ignore[method-assign]
    await new.append(b"once", feed=[ENDED])

    assert answers == 1
    assert [kind for kind, _ in await told_of(store, "c")] == ["conversation_created", "turn_ended"]


async def test_what_happens_to_a_conversation(store: Store) -> None:
    await store.feed.register(["g"], NOW)
    await store.registry.create(
        "c", agent="default", principal="acme/ada", title="Ä", project="p", channel="web", now=NOW
    )
    await store.registry.rename("c", 'Say "hi"', NOW)
    assert not await store.registry.set_title_if_absent("c", "no", NOW)
    await store.members.set("c", "acme/bob", "viewer", NOW, "acme/ada")
    await store.members.set("c", "acme/bob", "viewer", NOW, "acme/ada")
    await store.members.remove("c", "acme/bob", NOW, "acme/bob")
    await store.members.set("c", "acme/zoë", "writer", NOW)
    writer = await Writer.of(store, "c")
    await store.log.claim("c", "host-1")
    writer = await Writer.of(store, "c")
    await writer.append(b"one")
    for place in ("host-1", "host-1", "host-2", ""):
        await store.log.claim("c", place)
    await store.registry.delete("c", "acme/ada")

    assert await told_of(store, "c") == [
        (
            "conversation_created",
            {"agent": "default", "channel": "web", "parent": None, "title": "Ä", "project": "p"},
        ),
        ("conversation_renamed", {"title": 'Say "hi"'}),
        ("members_changed", {"principal": "acme/bob", "role": "viewer", "by": "acme/ada"}),
        ("members_changed", {"principal": "acme/bob", "role": None, "by": "acme/bob"}),
        ("members_changed", {"principal": "acme/zoë", "role": "writer", "by": None}),
        ("conversation_moved", {"place": "host-1"}),
        ("conversation_moved", {"place": "host-2"}),
        ("conversation_deleted", {"members": ["acme/zoë"], "by": "acme/ada"}),
    ]
    assert all(set(entry.data) == {*FEED_TYPES[entry.type], *ALWAYS} for entry in await all_told(store))
    assert {entry.owner for entry in await all_told(store)} == {"acme/ada"}


async def test_a_child_names_the_conversation_that_people_see(store: Store) -> None:
    await store.feed.register(["g"], NOW)
    await Writer.new(store, "c")
    await store.registry.create(
        "child", agent="sub", principal="ada", parent=Parent("c", "call", root="c", depth=1, seq=3), now=NOW
    )
    await store.registry.delete("c")

    told = {(entry.conversation_id, entry.type): entry for entry in await all_told(store)}
    assert told["child", "conversation_created"].data["parent"] == "c"
    assert told["child", "conversation_deleted"].root == "c"
    assert told["c", "conversation_deleted"].data["members"] == []


async def test_what_every_group_has_is_gone(store: Store) -> None:
    await store.feed.register(["slow", "fast"], NOW)
    writer = await Writer.new(store, "c")
    for turn in range(4):
        await writer.append(b"x", feed=[("turn_started", {"turn": turn, "principal": "ada", "agent": "default"})])
    partition = store.keys.partition("c")
    positions = [read.position for read in await store.feed.read(partition, Position(), 10)]

    await store.feed.acknowledge(partition, [Acknowledged("fast", positions[4])])
    assert [read.position for read in await store.feed.read(partition, Position(), 10)] == positions
    await store.feed.acknowledge(partition, [Acknowledged("slow", positions[2]), Acknowledged("fast", positions[1])])
    assert [read.position for read in await store.feed.read(partition, Position(), 10)] == positions[3:]

    fast, slow = await store.feed.states()
    assert (fast.name, fast.lag, fast.oldest_at) == ("fast", 0, None)
    assert (slow.name, slow.lag, slow.oldest_at) == ("slow", 2, int(positions[3].id.split("-")[0]))
    assert (await store.feed.cursors("slow", [partition])) == [positions[2]]
    await store.feed.acknowledge(partition, [Acknowledged("slow", positions[4])])
    assert await store.feed.read(partition, Position(), 10) == []
    assert await store.feed.added([partition]) == [5]


async def test_a_cursor_never_goes_beyond_the_end(store: Store) -> None:
    """A server that has lost its last entries numbers the next ones like those: they would be passed over."""
    await store.feed.register(["g"], NOW)
    await Writer.new(store, "c")
    partition = store.keys.partition("c")
    await store.feed.acknowledge(partition, [Acknowledged("g", Position("9999999999999-0", 9))])

    assert (await store.feed.cursors("g", [partition])) == [Position()]


async def test_a_new_group_hears_of_what_happens_from_then_on(store: Store) -> None:
    await store.feed.register(["first"], NOW)
    writer = await Writer.new(store, "c")
    await store.feed.register(["first", "later"], NOW + 1)
    await writer.append(b"x", feed=[ENDED])

    lags = {state.name: (state.lag, state.seen_at) for state in await store.feed.states()}
    assert lags == {"first": (2, NOW + 1), "later": (1, NOW + 1)}
    partition = store.keys.partition("c")
    [cursor] = await store.feed.cursors("later", [partition])
    assert [read.told[0].type for read in await store.feed.read(partition, cursor, 10)] == ["turn_ended"]


async def test_a_group_without_a_consumer_is_dropped_and_the_feed_ends_with_the_last(
    store: Store, target: Target
) -> None:
    await store.feed.register(["gone", "kept"], NOW)
    await store.feed.register(["kept"], NOW + 1000)
    await Writer.new(store, "c")
    partition = store.keys.partition("c")
    [created] = await store.feed.read(partition, Position(), 10)
    await store.feed.acknowledge(partition, [Acknowledged("kept", created.position)])

    assert not await store.feed.drop("gone", NOW)
    assert await store.feed.drop("gone", NOW + 1)
    assert [state.name for state in await store.feed.states()] == ["kept"]
    assert await store.feed.read(partition, Position(), 10) == []
    assert await store.feed.drop("kept", NOW + 1001)
    assert not await all_keys(target.client()) & (feed_keys(store, "stream") | feed_keys(store, "groups"))


async def test_what_is_set_aside_holds_up_no_group(store: Store, target: Target) -> None:
    await store.feed.register(["g"], NOW)
    writer = await Writer.new(store, "c")
    await writer.append(b"x", feed=[ENDED])
    partition = store.keys.partition("c")
    bad, good = await store.feed.read(partition, Position(), 10)

    assert await store.feed.set_aside(partition, "g", bad.position, "it is cursed")
    assert not await store.feed.set_aside(partition, "g", bad.position, "it is cursed")
    assert await store.feed.cursors("g", [partition]) == [bad.position]
    [state] = await store.feed.states()
    assert (state.lag, state.aside) == (1, 1)
    [(_, fields)] = await target.client().xrange(store.keys.feed(partition).aside)
    assert (fields[b"group"], fields[b"error"], fields[b"c"]) == (b"g", b"it is cursed", b"c")
    assert good.told[0].type == "turn_ended"


async def test_what_no_script_wrote_is_named(store: Store, target: Target) -> None:
    await store.feed.register(["g"], NOW)
    await Writer.new(store, "c")
    partition = store.keys.partition("c")
    await target.client().xadd(store.keys.feed(partition).stream, {"anything": "else"})

    fine, damaged = await store.feed.read(partition, Position(), 10)
    assert fine.problem is None
    assert damaged.problem is not None
    assert (damaged.position.number, list(damaged.told)) == (1, [])


async def test_the_bound_cuts_off_the_oldest_and_the_numbers_show_it(store: Store) -> None:
    await store.feed.register(["g"], NOW, max_entries=100)
    writer = await Writer.new(store, "c")
    for _ in range(400):
        await writer.append(feed=[ENDED])
    partition = store.keys.partition("c")
    read = await store.feed.read(partition, Position(), 1000)

    assert 100 <= len(read) <= 200
    lost = read[0].position.number - 1
    assert [entry.position.number for entry in read] == list(range(lost + 1, 402))
    await store.feed.acknowledge(partition, [Acknowledged("g", read[0].position, lost)])
    [state] = await store.feed.states()
    assert (state.lost, state.lag) == (lost, len(read) - 1)


async def test_one_reader_holds_a_lease_at_a_time(store: Store, second_store: Store) -> None:
    assert await store.feed.lease(0).hold("a", 60_000)
    assert await store.feed.lease(0).hold("a", 60_000)
    assert not await second_store.feed.lease(0).hold("b", 60_000)
    assert await second_store.feed.lease(1).hold("b", 60_000)
    await second_store.feed.lease(0).release("b")
    assert not await second_store.feed.lease(0).hold("b", 60_000)
    await store.feed.lease(0).release("a")
    assert await second_store.feed.lease(0).hold("b", 50)
    async with asyncio.timeout(5):
        while not await store.feed.lease(0).hold("a", 60_000):  # noqa: ASYNC110 - it ends by itself
            await asyncio.sleep(0.01)
    await second_store.feed.lease(1).release("b")
    await store.feed.lease(0).release("a")


async def test_the_readers_are_woken(store: Store) -> None:
    await store.feed.register(["g"], NOW)
    async with store.feed.listen() as woken, asyncio.timeout(5):
        await Writer.new(store, "c")
        assert await woken.get() == store.keys.partition("c")


def test_the_document_lists_what_is_told() -> None:
    page = (Path(__file__).parents[2] / "docs/feed.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (.*) ?\|$", page, re.MULTILINE)
    assert {kind: tuple(re.findall(r"`(\w+)`", data)) for kind, data in rows} == FEED_TYPES


async def test_entries_that_follow_each_other_wake_the_readers_seldom(store: Store) -> None:
    """What follows within 200 ms is there when they read; after that they are woken again."""
    await store.feed.register(["g"], NOW)
    writer, other = await Writer.new(store, "c"), await Writer.new(store, "d")
    partition, end = store.keys.partition("c"), store.keys.partition("d")
    heard: list[object] = []
    await asyncio.sleep(0.25)
    async with store.feed.listen() as changes:
        for _ in range(50):
            await writer.append(b"r", feed=[STARTED])
        await asyncio.sleep(0.25)
        await writer.append(b"r", feed=[ENDED])
        await other.append(b"r", feed=[ENDED])
        while end not in heard:
            heard.append(await changes.get())
    assert 2 <= heard.count(partition) < 50
    assert len(await store.feed.read(partition, Position(), 100)) == 52, "the 51, and that it was made"

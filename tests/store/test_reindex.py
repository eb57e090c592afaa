"""The indexes made again from the metadata, on every server and on a cluster: what was lost or wrong is right again."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from store import Store
from store.records import Parent
from store.registries.lists import ALL, Sort, of_principal, of_tenant
from tests.store.conftest import Target
from tests.support.writer import NOW, Writer

SORTS: tuple[Sort, ...] = ("updated", "created", "title")
COUNT = 130
"""Two to a partition, so that each node of a cluster has some."""


async def orders(store: Store, name: str) -> list[list[str]]:
    found = []
    for sort in SORTS:
        metas, _ = await store.registry.list(name, limit=200, sort=sort, descending=False)
        found.append([meta.id for meta in metas])
    return found


async def repair(store: Store) -> None:
    async for metas in store.reindex.conversations():
        await store.reindex.repair_lists(metas)
        for meta in metas:
            await store.reindex.repair_child(meta)
    await store.reindex.remove_leftovers()


async def test_lists_that_were_lost_or_damaged_are_right_again(store: Store, target: Target) -> None:
    client = target.client()
    names = [f"c{number:03}" for number in range(COUNT)]
    for number, name in enumerate(names):
        await store.registry.create(name, agent="a", principal="acme/ada", title=f"t{number:03}", now=NOW + number)
    await store.members.set("c000", "acme/bob", "viewer", NOW)
    everyone = of_principal("acme/ada")
    lists = (everyone, of_tenant("acme"), ALL)

    lost, wrong = (store.keys.list(name) for name in lists[:2])
    for key in (lost.updated, lost.created, lost.titles):
        await client.delete(key)
    await client.zadd(wrong.updated, {"c001": 1, "c002": NOW * 2, "c003": "inf", "ghost": NOW, "phantom": "inf"})
    await client.zadd(wrong.created, {"c001": 1, "ghost": NOW})
    await client.zadd(wrong.titles, {"0zzz\0c001": 0, "no entry": 0, b"\xff": 0})
    await client.zrem(wrong.titles, "0t001\0c001")
    await repair(store)

    for name in lists:
        assert await orders(store, name) == [names] * 3
        keys = store.keys.list(name)
        assert [await client.zcard(key) for key in (keys.updated, keys.created, keys.titles)] == [COUNT] * 3
    assert await orders(store, of_principal("acme/bob")) == [["c000"]] * 3
    await client.aclose()


async def test_children_and_leftovers_of_deleted_conversations(store: Store, target: Target) -> None:
    client = target.client()
    await store.registry.create("root", agent="a", principal="ada", now=NOW)
    for name in ("one", "two"):
        await store.registry.create(name, agent="a", principal="ada", parent=Parent("root", "k", "root", 1, 1), now=NOW)
    await client.delete(store.keys.conversation("root").children)
    await repair(store)
    assert [meta.id for meta in await store.registry.children("root")] == ["one", "two"]
    assert await orders(store, of_principal("ada")) == [["root"]] * 3
    await store.registry.delete("root")  # with its children, whatever their marks are
    assert await store.registry.get_many(["one", "two"]) == []
    await client.aclose()


async def _look_for(store: Store, names: list[str]) -> None:
    for found in await orders(store, of_tenant("acme")):
        assert set(names) <= set(found)


async def _again_and_again(done: asyncio.Event, work: Callable[..., Awaitable[None]], *arguments: object) -> None:
    while not done.is_set():
        await work(*arguments)


async def test_nothing_is_missing_and_nothing_is_undone_while_it_runs(store: Store, second_store: Store) -> None:
    """What others do meanwhile holds, and what they read is complete at every moment."""
    still = [f"still{number}" for number in range(40)]
    for name in still:
        await store.registry.create(name, agent="a", principal="acme/ada", title=name, now=NOW)
    await store.registry.create("busy", agent="a", principal="acme/ada", now=NOW)
    done = asyncio.Event()
    reindexing = asyncio.create_task(_again_and_again(done, repair, store))
    looking = asyncio.create_task(_again_and_again(done, _look_for, second_store, still))
    for number in range(60):
        await second_store.lists.touch_many({of_tenant("acme"): {"busy": NOW + number}})
        await second_store.registry.create(f"new{number}", agent="a", principal="acme/ada", now=NOW)
        if number % 2:
            await second_store.registry.delete(f"new{number - 1}")
        await asyncio.sleep(0)
        assert not reindexing.done()
        assert not looking.done()
    done.set()
    await asyncio.gather(reindexing, looking)
    await repair(store)
    expected = {*still, "busy", *(f"new{number}" for number in range(1, 60, 2))}
    for found in await orders(store, of_tenant("acme")):
        assert sorted(found) == sorted(expected)


async def test_a_log_that_has_gone_on_is_left_alone(store: Store) -> None:
    writer = await Writer.new(store, "c")
    await writer.append(b"one", state=b'{"state": "idle"}', due_at=NOW)
    await store.reindex.repair_state("c", 0, b"stale", None)
    assert await store.registry.unfinished(NOW, 10) == ["c"]
    await store.reindex.repair_state("c", 1, b"right", None)
    assert await store.registry.unfinished(NOW, 10) == []
    assert (await store.registry.get("c")).state == b"right"
    await store.reindex.repair_state("c", 1, b"right", NOW + 5)
    assert await store.registry.unfinished(NOW + 5, 10) == ["c"]
    await store.registry.delete("c")
    await store._client.redis.zadd(store.keys.unfinished(store.keys.partition("c")), {"c": NOW})
    await store.reindex.repair_state("c", None, b"", None)
    assert await store.registry.unfinished(NOW, 10) == []


@pytest.mark.parametrize("prefix", ["a*b", "x[1]", "q?"])
async def test_a_prefix_may_look_like_a_pattern(target: Target, prefix: str) -> None:
    own, other = target.connect(prefix), target.connect(prefix.replace("*", "-").replace("?", "!").replace("[1]", "1"))
    for opened in (own, other):
        await opened.registry.create("c", agent="a", principal="ada", now=NOW)
    assert [[meta.id for meta in metas] async for metas in own.reindex.conversations()] == [["c"]]
    for opened in (own, other):
        await opened.registry.delete("c")
        await opened.aclose()

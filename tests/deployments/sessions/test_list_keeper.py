"""The consumer of the feed that keeps the lists: what a crash left out is entered, and what is active comes first."""

import pytest

from deployments.feed.consumers.lists import ListKeeper
from store import Store
from store.registries.lists import ALL, Sort, lists_of_owner, of_principal, of_tenant
from tests.support.feed import all_told
from tests.support.writer import NOW, Writer


@pytest.fixture(autouse=True)
async def registered(store: Store) -> None:
    await store.feed.register(["lists"], NOW)


async def ids(store: Store, name: str, sort: Sort = "updated") -> str:
    metas, _ = await store.registry.list(name, limit=10, sort=sort, descending=sort != "title")
    return "".join(meta.id for meta in metas)


async def test_what_a_crash_kept_out_of_the_lists_is_entered(store: Store) -> None:
    await store.registry.create("a", agent="a", principal="acme/ada", now=NOW)
    await store.registry.create("b", agent="a", principal="acme/ada", title="b", now=NOW + 1)
    await store.registry.rename("a", "x", NOW + 2)
    await store.members.set("a", "acme/bob", "viewer", NOW + 3)
    lists = (*lists_of_owner("acme/ada"), of_principal("acme/bob"))
    for name in lists:
        orders = store.keys.list(name)
        await store._client.redis.delete(orders.updated)
        await store._client.redis.delete(orders.created)
        await store._client.redis.delete(orders.titles)
    for _ in range(2):  # an entry may come again
        await ListKeeper(store).take(await all_told(store))
        for name in lists[:3]:
            assert [await ids(store, name, sort) for sort in ("updated", "created", "title")] == ["ab", "ba", "ba"]
        assert await ids(store, lists[3], "title") == "a"


async def test_what_is_left_to_the_feed_is_entered_by_it(store: Store) -> None:
    for place, name in enumerate("ab"):
        await store.registry.create(name, agent="a", principal="acme/ada", now=NOW + place, in_lists=False)
    assert await ids(store, ALL) == ""
    told = await all_told(store)
    await store.registry.delete("a")
    for name in lists_of_owner("acme/ada"):
        await ListKeeper(store).take(told)
        assert [await ids(store, name, sort) for sort in ("updated", "created", "title")] == ["b", "b", "b"]
    times = await store._client.redis.zscore(store.keys.list(ALL).updated, "b")
    assert times == NOW + 1


async def test_what_is_active_comes_first_in_the_lists_of_all(store: Store) -> None:
    writers = [await Writer.new(store, name, principal="acme/ada") for name in "abc"]
    await writers[1].append(b"x", now=NOW + 5, feed=[("turn_started", {"turn": 1})])
    await writers[0].append(b"x", now=NOW + 6, feed=[("turn_started", {"turn": 1}), ("turn_ended", {"turn": 1})])
    await writers[2].append(b"x", now=NOW + 4, feed=[("tool_called", {"turn": 1})])
    await store.registry.delete("b")
    assert await ids(store, ALL) == "ca"
    for _ in range(2):
        await ListKeeper(store).take([entry for entry in await all_told(store) if entry.type.startswith("turn_")])
        assert await ids(store, of_tenant("acme")) == await ids(store, ALL) == "ac"
    assert await store._client.redis.zscore(store.keys.list(ALL).updated, "b") is None

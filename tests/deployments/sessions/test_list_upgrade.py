"""A store of earlier code, which knew the owner's list by activity alone, has all lists soon after the upgrade."""

import asyncio
from typing import Any

from deployments.indexes.upgrade import BETWEEN_SECONDS, PASSES, ListUpgrade
from store import Store
from store.registries.lists import ALL, of_principal, of_tenant
from tests.support.writer import NOW

LISTS = (of_principal("acme/ada"), of_tenant("acme"), ALL)


async def create_as_before(store: Store, name: str) -> None:
    """A conversation as earlier code left it."""
    redis: Any = store._client.redis
    await store.registry.create(name, agent="a", principal="acme/ada", title=name, now=NOW)
    for number, listed in enumerate(LISTS):
        orders = store.keys.list(listed)
        if number:
            await redis.zrem(orders.updated, name)
        await redis.zrem(orders.created, name)
        await redis.zrem(orders.titles, f"0{name}\0{name}")


async def listed(store: Store) -> list[list[str]]:
    found = []
    for name in LISTS:
        for sort in ("updated", "created", "title"):
            metas, _ = await store.registry.list(name, limit=9, sort=sort)
            found.append(sorted(meta.id for meta in metas))
    return found


async def test_what_earlier_code_has_created_is_listed(store: Store) -> None:
    first, second = asyncio.Event(), asyncio.Event()

    async def an_hour(seconds: float) -> None:
        assert seconds == BETWEEN_SECONDS
        first.set()
        await second.wait()

    await create_as_before(store, "a")
    running = asyncio.create_task(ListUpgrade(store, an_hour).run())
    await asyncio.wait_for(first.wait(), 10)
    assert await listed(store) == [["a"]] * 9
    await create_as_before(store, "b")  # by a replica that is about to be replaced
    second.set()
    await running
    assert await listed(store) == [["a", "b"]] * 9
    assert await store.lists.passes() == PASSES

    await create_as_before(store, "c")
    await ListUpgrade(store).run()  # a later start has nothing to do
    assert await listed(store) != [["a", "b", "c"]] * 9

"""Members of a conversation: kept with it, listed for them, gone with it."""

import pytest

from store import ConversationNotFound, Store
from store.registries.lists import of_principal
from tests.support.writer import NOW


async def listed(store: Store, principal: str) -> list[str]:
    metas, _ = await store.registry.list(of_principal(principal), limit=10)
    return [meta.id for meta in metas]


async def test_a_shared_conversation_is_in_the_lists_of_all_its_people(store: Store, second_store: Store) -> None:
    await store.registry.create("c", agent="a", principal="acme/ada", now=NOW)
    await store.members.set("c", "acme/bob", "viewer", NOW + 1)
    await store.members.set("c", "acme/bob", "writer", NOW + 2)

    meta = await second_store.registry.get("c")
    assert (meta.principal, meta.members) == ("acme/ada", {"acme/bob": "writer"})
    assert [meta.involves(who) for who in ("acme/ada", "acme/bob", "acme/eve")] == [True, True, False]
    assert await listed(second_store, "acme/ada") == await listed(second_store, "acme/bob") == ["c"]
    assert (await second_store.log.claim("c")).meta.members == meta.members

    assert await store.members.remove("c", "acme/bob", NOW)
    assert not await store.members.remove("c", "acme/bob", NOW)
    assert await listed(second_store, "acme/bob") == []
    assert (await second_store.registry.get("c")).members == {}


async def test_activity_moves_it_to_the_front_for_members_that_still_are(store: Store) -> None:
    for name in ("c", "d"):
        await store.registry.create(name, agent="a", principal="acme/ada", now=NOW)
        await store.members.set(name, "acme/bob", "viewer", NOW)
    await store.lists.touch_shared(["acme/bob", "acme/eve"], "c", NOW + 5)
    assert await listed(store, "acme/bob") == ["c", "d"]
    assert await listed(store, "acme/eve") == []


async def test_an_entry_that_is_left_over_shows_nothing_and_goes(store: Store) -> None:
    await store.registry.create("c", agent="a", principal="acme/ada", now=NOW)
    await store.lists.touch("acme/bob", "c", NOW)
    assert await listed(store, "acme/bob") == []
    await store.members.set("c", "acme/bob", "viewer", NOW)
    await store.registry.delete("c")
    assert await listed(store, "acme/bob") == []


async def test_what_is_not_there_has_no_members(store: Store) -> None:
    with pytest.raises(ConversationNotFound):
        await store.members.set("c", "acme/bob", "viewer", NOW)
    with pytest.raises(ConversationNotFound):
        await store.members.remove("c", "acme/bob", NOW)


async def test_processes_hear_of_a_change_once(store: Store, second_store: Store) -> None:
    await store.registry.create("c", agent="a", principal="acme/ada", now=NOW)
    async with second_store.subscriptions.subscribe_to_access() as changes:
        await store.members.set("c", "acme/bob", "viewer", NOW)
        await store.members.set("c", "acme/bob", "viewer", NOW)
        await store.members.announce("d")
        assert [await changes.get(), await changes.get()] == [{"conversation_id": "c"}, {"conversation_id": "d"}]

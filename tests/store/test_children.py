"""A conversation's children: listed under their parent and not under their owner, and deleted with their parent."""

import asyncio

import pytest

from store import ConversationExists, ConversationMeta, ConversationNotFound, Scope, Store
from store.records import Parent
from store.registries.lists import of_principal
from tests.store.conftest import Target
from tests.support.leaks import all_keys
from tests.support.writer import NOW, Writer


async def child(
    store: Store, conversation_id: str, *, of: str, root: str = "root", depth: int = 1, now: int = NOW
) -> ConversationMeta:
    """A child started by call `call-<id>`."""
    parent = Parent(of, f"call-{conversation_id}", root, depth, seq=3)
    return await store.registry.create(conversation_id, agent="default", principal="ada", parent=parent, now=now)


async def names(store: Store, conversation_id: str) -> list[str]:
    """The ids of the children in the order of the listing."""
    return [meta.id for meta in await store.registry.children(conversation_id)]


async def listed(store: Store) -> list[str]:
    """The conversations in Ada's list."""
    page, _ = await store.registry.list(of_principal("ada"), limit=50)
    return [meta.id for meta in page]


async def test_a_child_knows_where_it_comes_from(store: Store) -> None:
    await Writer.new(store, "root")
    created = await child(store, "root.1", of="root")
    grandchild = await child(store, "root.1.1", of="root.1", depth=2)

    assert created == await store.registry.get("root.1")
    assert (created.parent, created.parent_call, created.parent_seq) == ("root", "call-root.1", 3)
    assert (created.root, created.depth) == ("root", 1)
    assert (grandchild.parent, grandchild.root, grandchild.depth) == ("root.1", "root", 2)
    root = await store.registry.get("root")
    assert (root.parent, root.parent_call, root.parent_seq, root.root, root.depth) == (None, None, 0, "root", 0)


async def test_children_are_listed_at_their_parent_in_the_order_of_their_creation(store: Store) -> None:
    await Writer.new(store, "root")
    for number, name in enumerate(["z", "a", "m"]):
        await child(store, name, of="root", now=NOW + number)
    await child(store, "below", of="a", depth=2)

    assert await names(store, "root") == ["z", "a", "m"]
    assert await names(store, "a") == ["below"]
    assert await names(store, "m") == []
    assert await names(store, "nowhere") == []


async def test_a_child_is_not_in_its_owners_list(store: Store, target: Target) -> None:
    client = target.client()
    await Writer.new(store, "root")
    await child(store, "root.1", of="root")
    await store.registry.rename("root.1", "A title", NOW)
    await store.registry.set_title_if_absent("root.1", "Another", NOW)
    assert await listed(store) == ["root"]

    await store.lists.touch("ada", "root.1", NOW + 1)  # by a caller that does not know that it is a child
    assert await listed(store) == ["root"]
    assert await client.zrange(store.keys.list(of_principal("ada")).updated, 0, -1) == [b"root"]
    await client.aclose()


async def test_a_child_needs_a_parent(store: Store, target: Target) -> None:
    client = target.client()
    before = await all_keys(client)
    with pytest.raises(ConversationNotFound) as refusal:
        await child(store, "orphan", of="nowhere")

    assert refusal.value.conversation_id == "nowhere"
    assert await all_keys(client) == before
    await client.aclose()


async def test_a_child_is_created_once(store: Store, second_store: Store) -> None:
    await Writer.new(store, "root")
    answers = await asyncio.gather(
        *(child(opened, "root.1", of="root") for opened in [store, second_store] * 4), return_exceptions=True
    )

    assert sum(isinstance(answer, ConversationMeta) for answer in answers) == 1
    assert sum(isinstance(answer, ConversationExists) for answer in answers) == 7
    assert await names(store, "root") == ["root.1"]


async def test_an_existing_conversation_is_not_made_a_child(store: Store) -> None:
    await Writer.new(store, "root")
    await Writer.new(store, "taken", principal="bob")
    with pytest.raises(ConversationExists):
        await child(store, "taken", of="root")
    assert await names(store, "root") == []

    await store.registry.delete("root")

    assert (await store.registry.get("taken")).principal == "bob"


async def test_deleting_a_conversation_leaves_nothing_of_its_tree(store: Store, target: Target) -> None:
    client = target.client()
    before = await all_keys(client)
    await Writer.new(store, "root")
    for name, parent, depth in (("a", "root", 1), ("b", "root", 1), ("a.1", "a", 2), ("a.1.1", "a.1", 3)):
        await child(store, name, of=parent, depth=depth)
        await (await Writer.of(store, name)).append(b"x", due_at=NOW, client_ids={"m": 1})
        await store.files.write(Scope("conversation", name), "f", b"x", expected_version=None, now=NOW)
        await store.model_calls.record(name, b"x", lifetime=60, now=NOW)
    await store.usage.record("conversation:root", "a:1", tokens=1, cost=1, lifetime=None)

    await store.registry.delete("root")

    left = await all_keys(client) - before
    assert {key for key in left if b":file_receipt:" not in key} == set()
    await client.aclose()


async def test_deleting_a_child_leaves_its_parent_and_siblings(store: Store) -> None:
    await Writer.new(store, "root")
    for name in ("a", "b"):
        await child(store, name, of="root")
    await child(store, "a.1", of="a", depth=2)

    await store.registry.delete("a")

    assert await names(store, "root") == ["b"]
    assert await listed(store) == ["root"]
    for name in ("a", "a.1"):
        with pytest.raises(ConversationNotFound):
            await store.registry.get(name)


async def test_children_created_while_their_parent_is_deleted_are_deleted_too(
    store: Store, second_store: Store, target: Target
) -> None:
    client = target.client()
    before = await all_keys(client)
    for round_number in range(8):
        root = f"root-{round_number}"
        await Writer.new(store, root)
        births = [
            asyncio.create_task(child(opened, f"{root}.{number}", of=root, root=root))
            for number, opened in enumerate([store, second_store] * 3)
        ]
        if round_number % 2:
            await births[0]
        await store.registry.delete(root)
        answers = await asyncio.gather(*births, return_exceptions=True)
        assert all(isinstance(answer, ConversationMeta | ConversationNotFound) for answer in answers)

    assert await all_keys(client) == before
    await client.aclose()


async def test_two_deletions_at_once_leave_nothing(store: Store, second_store: Store, target: Target) -> None:
    client = target.client()
    before = await all_keys(client)
    await Writer.new(store, "root")
    for number in range(6):
        await child(store, f"c{number}", of="root")

    answers = await asyncio.gather(
        *(opened.registry.delete("root") for opened in (store, second_store)), return_exceptions=True
    )

    assert any(answer is None for answer in answers)
    assert all(answer is None or isinstance(answer, ConversationNotFound) for answer in answers)
    assert await all_keys(client) == before
    await client.aclose()


async def test_an_interrupted_deletion_can_be_repeated(store: Store, target: Target) -> None:
    client = target.client()
    before = await all_keys(client)
    await Writer.new(store, "root")
    await child(store, "a", of="root")
    # What a crash may leave: the child's metadata is gone, and its entry in the list is not.
    await client.delete(store.keys.conversation("a").meta)

    await store.registry.delete("root")

    assert await all_keys(client) == before
    await client.aclose()

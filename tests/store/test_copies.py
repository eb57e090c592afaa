"""Copies on every server and on a cluster: complete in one step, across slots; what is left of them goes by itself."""

from typing import Any

import pytest

from store import ConversationExists, ConversationNotFound, Scope, Store, StoreUnavailable
from store.files.files import File, FileInfo
from store.records import Parent
from store.registries.copies import IMPORT_MS, LIFETIME_SECONDS, Copy, CopyMeta
from store.registries.lists import of_principal
from tests.store.conftest import Target
from tests.support.feed import told_of
from tests.support.leaks import all_keys
from tests.support.writer import NOW, Writer, texts

IDS = [f"c-{number}" for number in range(4)]
"""In different slots."""


def meta(**fields: Any) -> CopyMeta:
    known = {"agent": "default", "principal": "ada", "channel": "api", "created_at": NOW, "updated_at": NOW + 5}
    return CopyMeta(**{**known, **fields})


async def copied(store: Store, conversation_id: str = "new", copy_id: str | None = None) -> Copy:
    """A copy of two records and a file, which is not a conversation yet."""
    copy = await store.copies.begin(conversation_id, copy_id)
    await copy.append([b"one"], {"m1": 1})
    await copy.append([b"two"])
    await copy.add_file(File(FileInfo("a/b", 7, 3, NOW), b"\x00\xff\x01"))
    return copy


async def test_nothing_shows_a_copy_before_it_is_complete(store: Store) -> None:
    copy = await copied(store)
    with pytest.raises(ConversationNotFound):
        await store.registry.get("new")
    with pytest.raises(ConversationNotFound):
        await store.log.claim("new")
    assert await store.registry.list(of_principal("ada"), limit=10) == ([], None)
    assert await store.log.read("new") == []

    made = await store.copies.complete(copy, meta(title="t", forked_from="c", forked_seq=2, summary_seq=1, format=2))
    assert made == await store.registry.get("new")
    assert (made.last_seq, made.updated_at, made.forked_from, made.forked_seq) == (2, NOW + 5, "c", 2)
    assert (made.summary_seq, made.format, made.imported_at, made.state) == (1, 2, None, None)
    assert await texts(store, "new") == ["one", "two"]
    assert await store.log.seq_of("new", "m1") == 1
    assert (await store.files.read(Scope("conversation", "new"), "a/b")).info.version == 7
    assert [listed.id for listed in (await store.registry.list(of_principal("ada"), limit=10))[0]] == ["new"]
    writer = await Writer.of(store, "new")
    assert await writer.append(b"three") == 3
    assert await store.files.write(Scope("conversation", "new"), "c", b"", expected_version=None, now=NOW) > 7


async def test_its_keys_expire_until_it_is_complete(store: Store, target: Target) -> None:
    copy = await copied(store)
    client = target.client()
    try:
        keys = [key async for key in client.scan_iter(match=f"{store.keys.prefix}:*:copy:*")]
        assert len(keys) == 6
        for key in keys:
            assert LIFETIME_SECONDS - 60 < await client.ttl(key) <= LIFETIME_SECONDS
        await store.copies.complete(copy, meta())
        own = store.keys.conversation("new")
        for name in (own.log, own.meta, own.clients, own.files.files, own.files.contents, own.files.totals):
            assert await client.ttl(name) == -1
    finally:
        await client.aclose()


async def test_a_taken_id_is_refused_and_a_repetition_is_not(store: Store) -> None:
    await Writer.new(store, "new")
    copy = await copied(store)
    with pytest.raises(ConversationExists):
        await store.copies.complete(copy, meta())
    assert await texts(store, "new") == []
    await copy.discard()

    first = await store.copies.complete(await copied(store, "other", "0a"), meta())
    again = await copied(store, "other", "0a")
    assert await store.copies.complete(again, meta()) == first
    await again.discard()
    assert await texts(store, "other") == ["one", "two"]


@pytest.mark.parametrize("part", ["head", "log", "files"])
async def test_what_has_lost_a_part_becomes_no_conversation(store: Store, target: Target, part: str) -> None:
    copy = await copied(store)
    client = target.client()
    names = {"head": copy.head, "log": copy.head.replace("head", "log"), "files": copy.head.replace("head", "files")}
    await client.delete(names[part])
    await client.aclose()
    with pytest.raises(StoreUnavailable):
        await store.copies.complete(copy, meta())
    with pytest.raises(ConversationNotFound):
        await store.registry.get("new")
    await copy.discard()
    if part == "head":
        with pytest.raises(StoreUnavailable):
            await copy.append([b"three"])


async def family(store: Store) -> tuple[tuple[Copy, CopyMeta], list[tuple[Copy, CopyMeta]]]:
    """A root with two children, one of which has a child."""
    copies = [await copied(store, name) for name in IDS]
    parents = [
        None,
        Parent(IDS[0], "k", IDS[0], 1, 1),
        Parent(IDS[0], "l", IDS[0], 1, 1),
        Parent(IDS[1], "m", IDS[0], 2, 1),
    ]
    below: list[list[str]] = [[IDS[1], IDS[2]], [IDS[3]], [], []]
    metas = [meta(parent=parent, children=names) for parent, names in zip(parents, below, strict=True)]
    first, *others = zip(copies, metas, strict=True)
    return first, others


async def test_several_become_one_conversation_with_its_descendants(store: Store) -> None:
    root, below = await family(store)
    await store.copies.complete_all(root, below, NOW)
    assert {one.id for one in await store.registry.children(IDS[0])} == {IDS[1], IDS[2]}
    [grandchild] = await store.registry.children(IDS[1])
    assert (grandchild.id, grandchild.root, grandchild.depth, grandchild.parent_call) == (IDS[3], IDS[0], 2, "m")
    assert [listed.id for listed in (await store.registry.list(of_principal("ada"), limit=10))[0]] == [IDS[0]]
    await store.copies.sweep(NOW + 2 * IMPORT_MS)
    assert len(await store.registry.get_many(IDS)) == 4
    await store.registry.delete(IDS[0])
    assert await store.registry.get_many(IDS) == []


@pytest.mark.parametrize("taken", IDS)
async def test_one_taken_id_and_there_is_none_of_them(store: Store, target: Target, taken: str) -> None:
    await Writer.new(store, taken, principal="bob")
    client = target.client()
    before = await all_keys(client)
    root, below = await family(store)
    with pytest.raises(ConversationExists):
        await store.copies.complete_all(root, below, NOW)
    for copy, _ in (root, *below):
        await copy.discard()
    assert await all_keys(client) == before
    await client.aclose()


@pytest.mark.parametrize("made", range(5))
async def test_what_a_crash_leaves_is_swept(store: Store, target: Target, made: int) -> None:
    """The process ends after so many of the four have become conversations, the root last."""
    root, below = await family(store)
    await store.copies._note(root[0], [copy for copy, _ in below], NOW)
    for copy, one in [*below, root][:made]:
        await copy.commit(one)
    await store.copies.sweep(NOW + IMPORT_MS - 1)
    assert len(await store.registry.get_many(IDS)) == made
    await store.copies.sweep(NOW + IMPORT_MS)
    assert len(await store.registry.get_many(IDS)) == (4 if made == 4 else 0)
    if made < 4:
        with pytest.raises(StoreUnavailable):
            await root[0].commit(root[1])  # it was slow, and not dead
    client = target.client()
    assert not await client.exists(store.keys.imports)
    await client.aclose()


async def test_the_feed_is_told_once_and_not_before_it_is_complete(store: Store) -> None:
    await store.feed.register(["g"], NOW)
    copy = await copied(store, "new", "0a")
    assert await told_of(store, "new") == []
    for _ in range(2):
        await copy.commit(meta(title="t", project="p", forked_from="c", forked_seq=2))
    [(kind, data)] = await told_of(store, "new")
    assert kind == "conversation_created"
    assert (data["agent"], data["channel"], data["title"], data["project"]) == ("default", "api", "t", "p")
    assert data["parent"] is None

    root, below = await family(store)
    await store.copies.complete_all(root, below, NOW)
    assert [await told_of(store, name) for name in IDS[3:]] == [
        [("conversation_created", {**data, "title": None, "project": None, "parent": IDS[1]})]
    ]
    await store.registry.delete(IDS[0])
    assert [kind for kind, _ in await told_of(store, IDS[2])] == ["conversation_created", "conversation_deleted"]

"""The registry: creation is exclusive, listings are ordered by activity, deletion leaves nothing."""

import asyncio

import pytest

from store import ConversationExists, ConversationMeta, ConversationNotFound, Store
from store.registries.lists import Position, of_principal
from tests.store.conftest import Target
from tests.support.leaks import all_keys
from tests.support.writer import NOW, Writer


async def create(store: Store, conversation_id: str, *, principal: str = "ada", now: int = NOW) -> ConversationMeta:
    """A conversation with the usual agent."""
    return await store.registry.create(conversation_id, agent="default", principal=principal, now=now)


async def ids(store: Store, principal: str = "ada", *, limit: int = 50) -> list[str]:
    """A principal's conversations in the order of the listing, page by page."""
    found: list[str] = []
    cursor: Position | None = None
    while True:
        page, cursor = await store.registry.list(of_principal(principal), limit=limit, after=cursor)
        assert len(page) <= limit
        found += [meta.id for meta in page]
        if cursor is None:
            return found


async def test_a_created_conversation_can_be_looked_up(store: Store) -> None:
    created = await store.registry.create(
        "c", agent="default", principal="ada", channel="telegram", title="Ünï", now=NOW
    )

    assert created == ConversationMeta(
        id="c",
        agent="default",
        title="Ünï",
        principal="ada",
        channel="telegram",
        created_at=NOW,
        updated_at=NOW,
        epoch=created.epoch,
        last_seq=0,
        state=None,
        root="c",
        parent=None,
        parent_call=None,
        parent_seq=0,
        depth=0,
        summary_seq=None,
    )
    assert await store.registry.get("c") == created


async def test_a_conversation_may_be_of_a_project(store: Store) -> None:
    created = await store.registry.create("c", agent="default", principal="acme/ada", project="apollo", now=NOW)

    assert created.project == "apollo"
    assert await store.registry.get("c") == created
    assert (await create(store, "d")).project is None


async def test_title_and_channel_are_optional(store: Store) -> None:
    created = await create(store, "c")

    assert (created.title, created.channel) == (None, "api")


async def test_an_id_is_given_once(store: Store, second_store: Store) -> None:
    answers = await asyncio.gather(
        *(create(opened, "c", principal=f"p{number}") for number, opened in enumerate([store, second_store] * 5)),
        return_exceptions=True,
    )

    created = [answer for answer in answers if isinstance(answer, ConversationMeta)]
    assert len(created) == 1
    assert sum(isinstance(answer, ConversationExists) for answer in answers) == 9
    assert await store.registry.get("c") == created[0]


async def test_an_unknown_conversation_is_an_error(store: Store) -> None:
    with pytest.raises(ConversationNotFound):
        await store.registry.get("nowhere")
    with pytest.raises(ConversationNotFound):
        await store.registry.rename("nowhere", "x", NOW)
    with pytest.raises(ConversationNotFound):
        await store.registry.set_title_if_absent("nowhere", "x", NOW)
    with pytest.raises(ConversationNotFound):
        await store.registry.delete("nowhere")


async def test_the_listing_shows_the_latest_activity_first(store: Store) -> None:
    for number in range(4):
        await create(store, f"c{number}", now=NOW + number)
    await create(store, "other", principal="bob")

    assert await ids(store) == ["c3", "c2", "c1", "c0"]
    assert await ids(store, "bob") == ["other"]
    assert await ids(store, "nobody") == []

    await store.lists.touch("ada", "c1", NOW + 10)
    await store.lists.touch("ada", "c3", NOW - 10)  # a late report of older activity changes nothing

    assert await ids(store) == ["c1", "c3", "c2", "c0"]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 50])
async def test_pages_join_without_gap_or_overlap(store: Store, limit: int) -> None:
    names = [f"c{number:02}" for number in range(14)]
    for number, name in enumerate(names):
        await create(store, name, now=NOW + number // 5)  # five have the same millisecond

    assert await ids(store, limit=limit) == names[::-1]


async def test_a_cursor_survives_activity_above_it(store: Store) -> None:
    for number in range(6):
        await create(store, f"c{number}", now=NOW + number)
    first, cursor = await store.registry.list(of_principal("ada"), limit=2)
    await store.lists.touch("ada", first[-1].id, NOW + 100)
    await create(store, "c9", now=NOW + 101)

    second, _ = await store.registry.list(of_principal("ada"), limit=2, after=cursor)

    assert [meta.id for meta in second] == ["c3", "c2"]


async def test_the_listing_repairs_itself(store: Store, target: Target) -> None:
    client = target.client()
    await create(store, "kept")
    await create(store, "dangling", now=NOW + 1)
    await client.delete(store.keys.conversation("dangling").meta)

    assert await ids(store) == ["kept"]
    assert await client.zrange(store.keys.list(of_principal("ada")).updated, 0, -1) == [b"kept"]

    await client.delete(store.keys.list(of_principal("ada")).updated)
    assert await ids(store) == []
    await store.lists.touch("ada", "kept", NOW + 2)
    assert await ids(store) == ["kept"]
    await client.aclose()


async def test_renaming_changes_title_and_activity(store: Store) -> None:
    await create(store, "old")
    await create(store, "new", now=NOW + 1)

    await store.registry.rename("old", "A title", NOW + 2)

    meta = await store.registry.get("old")
    assert (meta.title, meta.updated_at) == ("A title", NOW + 2)
    assert await ids(store) == ["old", "new"]


async def test_a_title_is_given_only_where_there_is_none(store: Store) -> None:
    await create(store, "bare")
    await create(store, "other", now=NOW + 1)

    assert await store.registry.set_title_if_absent("bare", "First", NOW + 2)
    assert not await store.registry.set_title_if_absent("bare", "Second", NOW + 3)

    meta = await store.registry.get("bare")
    assert (meta.title, meta.updated_at) == ("First", NOW + 2)
    assert await ids(store) == ["bare", "other"]


async def test_a_title_is_given_once_and_never_over_a_persons_own(store: Store, second_store: Store) -> None:
    await create(store, "c")
    answers = await asyncio.gather(
        *(opened.registry.set_title_if_absent("c", f"t{n}", NOW) for n, opened in enumerate([store, second_store] * 4))
    )
    assert answers.count(True) == 1
    assert (await store.registry.get("c")).title == f"t{answers.index(True)}"

    await store.registry.rename("c", "Mine", NOW)
    assert not await store.registry.set_title_if_absent("c", "Theirs", NOW)
    assert (await store.registry.get("c")).title == "Mine"


async def test_renaming_does_not_disturb_the_writer(store: Store) -> None:
    writer = await Writer.new(store, "c")
    await writer.append(b"one")

    await store.registry.rename("c", "A title", NOW)

    assert await writer.append(b"two") == 2


async def test_deleting_leaves_no_key(store: Store, target: Target) -> None:
    client = target.client()
    before = await all_keys(client)
    writer = await Writer.new(store, "c")
    await writer.append(b"one", due_at=NOW, client_ids={"first": 1})

    await store.registry.delete("c")

    assert await all_keys(client) == before
    assert await ids(store) == []
    await client.aclose()


async def test_deleting_one_conversation_leaves_its_neighbours(store: Store) -> None:
    neighbours = [await Writer.new(store, f"c{number}") for number in range(130)]  # two to a partition
    for writer in neighbours:
        await writer.append(b"x", due_at=NOW)

    await store.registry.delete("c0")

    rest = {writer.claim.conversation_id for writer in neighbours[1:]}
    assert set(await store.registry.unfinished(NOW, 1000)) == rest
    assert set(await ids(store)) == rest


async def test_the_places_of_many_conversations_are_read_at_once(store: Store) -> None:
    for name in ("a", "b", "c"):
        await create(store, name)
    await store.log.claim("a", "host:1")
    await store.log.claim("b", "host:1")
    await store.log.claim("b")
    assert await store.registry.places(["a", "b", "c", "nobody"]) == {"a": "host:1", "b": None, "c": None}
    assert await store.registry.places([]) == {}
    assert [meta.id for meta in await store.registry.get_many(["c", "nobody", "a"])] == ["c", "a"]

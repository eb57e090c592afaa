"""A conversation that its owner puts out of the lists: a mark, which a person's message takes back."""

import pytest

from store import ConversationNotFound, Store
from tests.support.feed import told_of
from tests.support.writer import NOW, Writer


async def archived_at(store: Store) -> int | None:
    return (await store.registry.get("c")).archived_at


async def test_it_is_archived_and_restored_and_the_feed_hears_of_each_change_once(store: Store) -> None:
    await store.feed.register(["g"], NOW)
    await store.registry.create("c", agent="a", principal="ada", now=NOW)
    assert await archived_at(store) is None
    assert await store.registry.set_archived("c", NOW + 5, archived=True, by="acme/boss")
    assert not await store.registry.set_archived("c", NOW + 6, archived=True)
    assert await archived_at(store) == NOW + 5
    assert await store.registry.set_archived("c", NOW + 7, archived=False)
    assert not await store.registry.set_archived("c", NOW + 8, archived=False)
    assert await archived_at(store) is None
    assert (await told_of(store, "c"))[1:] == [
        ("conversation_archived", {"by": "acme/boss"}),
        ("conversation_restored", {"by": None}),
    ]


async def test_a_persons_message_restores_it_in_the_step_that_writes_it(store: Store) -> None:
    await store.feed.register(["g"], NOW)
    writer = await Writer.new(store, "c")
    await store.registry.set_archived("c", NOW, archived=True)
    await writer.append(b"an answer that was under way")
    assert await archived_at(store) == NOW
    await writer.append(b"a message", restores=True, feed=[("turn_started", {"turn": 1})])
    await writer.append(b"another", restores=True)
    assert await archived_at(store) is None
    told = [kind for kind, _ in await told_of(store, "c")]
    assert told == ["conversation_created", "conversation_archived", "conversation_restored", "turn_started"]


async def test_what_is_gone_cannot_be_archived(store: Store) -> None:
    with pytest.raises(ConversationNotFound):
        await store.registry.set_archived("nowhere", NOW, archived=True)

"""The audit of model calls: newest first, for a limited time, and no longer than its conversation."""

import pytest

from store import ConversationNotFound, Store
from tests.store.conftest import Target
from tests.support.writer import NOW, Writer


async def record(store: Store, *entries: bytes, now: int = NOW, lifetime: int = 60) -> None:
    """Entries of one millisecond."""
    for entry in entries:
        await store.model_calls.record("c", entry, lifetime=lifetime, now=now)


async def test_the_newest_comes_first(store: Store) -> None:
    await Writer.new(store, "c")
    await record(store, b"one", b"two")
    await record(store, b"three", now=NOW + 5)
    await record(store, b"four", now=NOW - 5)  # a clock that went back

    assert await store.model_calls.list("c", limit=10) == [b"four", b"three", b"two", b"one"]
    assert await store.model_calls.list("c", limit=2) == [b"four", b"three"]
    assert await store.model_calls.list("other", limit=2) == []


async def test_entries_are_opaque_bytes(store: Store) -> None:
    await Writer.new(store, "c")
    await record(store, bytes(range(256)), b"")

    assert await store.model_calls.list("c", limit=2) == [b"", bytes(range(256))]


async def test_an_entry_goes_when_its_time_is_over(store: Store, target: Target) -> None:
    client = target.client()
    await Writer.new(store, "c")
    await record(store, b"one")
    await record(store, b"two", now=NOW + 30_000)
    assert await store.model_calls.list("c", limit=10) == [b"two", b"one"]

    await record(store, b"three", now=NOW + 60_001)

    assert await store.model_calls.list("c", limit=10) == [b"three", b"two"]
    assert 0 < await client.ttl(store.keys.conversation("c").model_calls) <= 60
    await client.aclose()


async def test_the_record_ends_with_its_conversation(store: Store) -> None:
    await Writer.new(store, "c")
    await record(store, b"one")

    await store.registry.delete("c")

    assert await store.model_calls.list("c", limit=10) == []
    with pytest.raises(ConversationNotFound):
        await record(store, b"late")

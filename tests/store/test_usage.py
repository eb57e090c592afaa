"""Usage is counted once however often it is recorded, and deleted when its lifetime is over."""

import asyncio

import pytest

from store import ConversationNotFound, Fenced, Store
from store.registries.usage import UsageTotal
from tests.store.conftest import Target
from tests.support.writer import Writer

DAY = "person:ada:2026-01-31"
TWO_DAYS = 172_800


async def test_nothing_used_is_zero(store: Store) -> None:
    assert await store.usage.total(DAY) == UsageTotal(tokens=0, cost=0)
    assert await store.usage.total("conversation:nowhere") == UsageTotal(tokens=0, cost=0)


async def test_the_same_work_is_counted_once(store: Store) -> None:
    await store.usage.record(DAY, "c:1", tokens=100, cost=7, lifetime=TWO_DAYS)
    await store.usage.record(DAY, "c:2", tokens=10, cost=1, lifetime=TWO_DAYS)
    await store.usage.record(DAY, "c:2", tokens=10, cost=1, lifetime=TWO_DAYS)
    assert await store.usage.total(DAY) == UsageTotal(110, 8)

    total = await store.usage.record(DAY, "c:1", tokens=150, cost=9, lifetime=TWO_DAYS)
    assert total == await store.usage.total(DAY) == UsageTotal(160, 10)
    await store.usage.record(DAY, "c:1", tokens=100, cost=7, lifetime=TWO_DAYS)
    assert await store.usage.total(DAY) == UsageTotal(160, 10), "a record that comes late changes nothing"


async def test_what_a_process_uses_is_written_once_however_it_is_asked(store: Store, second_store: Store) -> None:
    scopes = (DAY, "tenant:acme:2026-01-31")
    for _ in range(3):
        store.usage.spend(scopes, 10, 2)
        second_store.usage.spend(scopes[:1], 1, 0)
        store.usage.settle_soon(scopes)
        await asyncio.gather(store.usage.settle(scopes), store.usage.settle(scopes), second_store.usage.settle(scopes))
    assert await store.usage.total(DAY) == UsageTotal(33, 6)
    assert await store.usage.total(scopes[1]) == store.usage.known_total(scopes[1]) == UsageTotal(30, 6)


async def test_what_is_not_written_yet_is_written_when_the_process_ends(store: Store, second_store: Store) -> None:
    second_store.usage.spend((DAY,), 7, 1)
    assert await store.usage.total(DAY) == UsageTotal(0, 0)
    await second_store.aclose()
    assert await store.usage.total(DAY) == UsageTotal(7, 1)


async def test_the_use_of_a_deleted_conversation_is_dropped(store: Store) -> None:
    store.usage.spend(("conversation:gone", DAY), 7, 1)
    await store.usage.settle(("conversation:gone", DAY))
    assert await store.usage.total("conversation:gone") == UsageTotal(0, 0)
    assert await store.usage.total(DAY) == UsageTotal(7, 1)


async def test_scopes_are_apart(store: Store) -> None:
    await Writer.new(store, "c")
    await store.usage.record(DAY, "c:1", tokens=1, cost=2, lifetime=TWO_DAYS)
    await store.usage.record("person:ada:2026-02-01", "c:1", tokens=3, cost=4, lifetime=TWO_DAYS)
    await store.usage.record("conversation:c", "c:1", tokens=5, cost=6, lifetime=None)

    assert await store.usage.total(DAY) == UsageTotal(1, 2)
    assert await store.usage.total("person:ada:2026-02-01") == UsageTotal(3, 4)
    assert await store.usage.total("conversation:c") == UsageTotal(5, 6)


async def test_large_sums_stay_exact(store: Store) -> None:
    for number in range(3):
        await store.usage.record(DAY, f"c:{number}", tokens=4_000_000_000_001, cost=3_000_000_000_001, lifetime=60)
    assert await store.usage.total(DAY) == UsageTotal(12_000_000_000_003, 9_000_000_000_003)


async def test_concurrent_records_are_all_counted(store: Store, second_store: Store) -> None:
    await asyncio.gather(
        *(
            opened.usage.record(DAY, f"c:{number % 20}", tokens=5, cost=1, lifetime=60)
            for number, opened in enumerate([store, second_store] * 40)
        )
    )
    assert await store.usage.total(DAY) == UsageTotal(100, 20)


async def test_a_day_is_forgotten_and_a_conversation_is_not(store: Store, target: Target) -> None:
    client = target.client()
    await Writer.new(store, "c")
    await store.usage.record(DAY, "c:1", tokens=1, cost=1, lifetime=TWO_DAYS)
    await store.usage.record("conversation:c", "c:1", tokens=1, cost=1, lifetime=None)

    assert TWO_DAYS - 60 < await client.ttl(store.keys.spent(DAY)) <= TWO_DAYS
    assert await client.ttl(store.keys.conversation("c").usage) == -1
    await client.aclose()


async def test_a_conversations_usage_ends_with_it(store: Store) -> None:
    await Writer.new(store, "c")
    await store.usage.record("conversation:c", "c:1", tokens=1, cost=1, lifetime=None)

    await store.registry.delete("c")

    assert await store.usage.total("conversation:c") == UsageTotal(0, 0)
    with pytest.raises(ConversationNotFound):
        await store.usage.record("conversation:c", "c:2", tokens=1, cost=1, lifetime=None)


@pytest.mark.parametrize(("scope", "lifetime"), [(DAY, None), ("conversation:c", 60)])
async def test_every_scope_has_one_end(store: Store, scope: str, lifetime: int | None) -> None:
    with pytest.raises(ValueError, match="needs an end"):
        await store.usage.record(scope, "c:1", tokens=1, cost=1, lifetime=lifetime)


async def test_what_is_sent_along_leaves_with_the_next_command(store: Store, target: Target) -> None:
    store.usage.spend((DAY,), 7, 1)
    if not store.usage.send_along((DAY,)):
        assert target.clustered, "only there commands leave one by one"
        return
    assert await store.usage.total(DAY) == UsageTotal(0, 0), "the question was the first in the packet"
    assert await store.usage.total(DAY) == store.usage.known_total(DAY) == UsageTotal(7, 1)

    client = target.client()
    await client.script_flush()
    await client.aclose()
    store.usage.spend((DAY,), 3, 1)
    store.usage.send_along((DAY,))
    await store.ping()
    async with asyncio.timeout(10):
        while await store.usage.total(DAY) != UsageTotal(10, 2):  # noqa: ASYNC110 - nothing tells it
            await asyncio.sleep(0.01)


async def test_an_append_records_what_its_conversation_has_used(store: Store) -> None:
    writer = await Writer.new(store, "c")

    async def append() -> None:
        with store.usage.taken("c") as used:
            await writer.append(b"answer", used=used)

    for sums in (UsageTotal(5, 2), UsageTotal(10, 4)):
        store.usage.spend(("conversation:c",), 5, 2)
        await append()
        assert await store.usage.total("conversation:c") == sums
    with store.usage.taken("c") as used:
        assert used is None, "there is nothing new"


async def test_what_a_refused_append_would_have_recorded_counts_once(store: Store) -> None:
    writer = await Writer.new(store, "c")
    await Writer.of(store, "c")
    store.usage.spend(("conversation:c",), 5, 2)
    with pytest.raises(Fenced), store.usage.taken("c") as used:
        await writer.append(b"answer", used=used)
    assert await store.usage.total("conversation:c") == UsageTotal(0, 0)
    async with asyncio.timeout(10):
        while await store.usage.total("conversation:c") == UsageTotal(0, 0):  # noqa: ASYNC110 - nothing tells it
            await asyncio.sleep(0.05)
    await store.usage.settle(("conversation:c",))
    assert await store.usage.total("conversation:c") == UsageTotal(5, 2)

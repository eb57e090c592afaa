"""Epochs: only the writer with the latest claim can write."""

import asyncio

import pytest

from store import ConversationNotFound, Fenced, Store
from store.errors import Conflict, NewerFormat
from tests.store.conftest import Target
from tests.support.writer import NOW, Writer, texts


async def test_an_older_writer_may_not_claim_after_a_newer_one(store: Store) -> None:
    await Writer.new(store, "c")
    newer = Writer(store, await store.log.claim("c", reads=2))
    await newer.append(b"m1")

    with pytest.raises(NewerFormat) as refusal:
        await store.log.claim("c", reads=1)

    assert refusal.value.format == 2
    await newer.append(b"m2")  # it has not been fenced
    assert (await store.registry.get("c")).format == 2
    again = Writer(store, await store.log.claim("c", reads=2))
    with pytest.raises(Fenced):
        await newer.append(b"m3")
    await again.append(b"m3")


async def test_a_claim_fences_the_earlier_writer(store: Store) -> None:
    first = await Writer.new(store, "c")
    await first.append(b"one")
    second = await Writer.of(store, "c")

    with pytest.raises(Fenced) as refusal:
        await first.append(b"zombie", due_at=NOW, client_ids={"x": 2})

    assert (refusal.value.epoch, refusal.value.current_epoch) == (first.claim.epoch, second.claim.epoch)
    await second.append(b"two")
    assert await texts(store, "c") == ["one", "two"]
    assert await store.registry.unfinished(NOW, 10) == []
    assert await store.log.seq_of("c", "x") is None


async def test_a_writer_can_ask_whether_it_still_owns_the_log(store: Store) -> None:
    first = await Writer.new(store, "c")
    await store.log.confirm(first.claim)
    second = await Writer.of(store, "c")

    with pytest.raises(Fenced) as refusal:
        await store.log.confirm(first.claim)

    assert (refusal.value.epoch, refusal.value.current_epoch) == (first.claim.epoch, second.claim.epoch)
    await store.log.confirm(second.claim)
    await store.registry.delete("c")
    with pytest.raises(ConversationNotFound):
        await store.log.confirm(second.claim)


async def test_watchers_are_told_of_a_claim_at_once(store: Store) -> None:
    await store.registry.create("c", agent="default", principal="ada", now=NOW)
    async with store.subscriptions.subscribe("c") as tail:
        claim = await store.log.claim("c")
        async with asyncio.timeout(5):
            assert await tail.get() == {"epoch": claim.epoch, "events": []}


async def test_a_claim_knows_what_the_predecessor_left(store: Store) -> None:
    first = await Writer.new(store, "c")
    await first.append(b"one", b"two", state=b"left behind")

    claim = await store.log.claim("c")

    assert claim.epoch > first.claim.epoch
    assert (claim.meta.last_seq, claim.meta.state, claim.meta.epoch) == (2, b"left behind", claim.epoch)


async def test_an_epoch_from_the_future_is_fenced_too(store: Store) -> None:
    writer = await Writer.new(store, "c")

    with pytest.raises(Fenced):
        await store.log.append(
            ("c", writer.claim.epoch + 1), [b"x"], expected_last_seq=0, state=b"", due_at=None, now=NOW
        )


async def test_racing_writers_never_interleave(store: Store, second_store: Store) -> None:
    await store.registry.create("c", agent="default", principal="ada", now=NOW)

    async def run(opened: Store, name: str) -> list[str]:
        """Claim again and again, writing until fenced; returns what was acknowledged."""
        written: list[str] = []
        for _ in range(15):
            writer = await Writer.of(opened, "c")
            try:
                while len(written) < 60:
                    text = f"{name}-{len(written)}"
                    await writer.append(text.encode())
                    written.append(text)
            except Fenced:
                continue
        return written

    left, right = await asyncio.gather(run(store, "left"), run(second_store, "right"))

    log = await texts(store, "c")
    assert sorted(log) == sorted(left + right)
    assert [text for text in log if text.startswith("left")] == left
    assert [text for text in log if text.startswith("right")] == right


async def test_concurrent_claims_get_different_epochs(store: Store, second_store: Store) -> None:
    await store.registry.create("c", agent="default", principal="ada", now=NOW)

    claims = await asyncio.gather(*(opened.log.claim("c") for opened in (store, second_store) * 10))

    assert len({claim.epoch for claim in claims}) == 20


async def test_two_appends_of_one_writer_at_once_do_not_both_pass(store: Store) -> None:
    writer = await Writer.new(store, "c")
    twin = Writer(store, writer.claim)

    answers = await asyncio.gather(writer.append(b"a"), twin.append(b"b"), return_exceptions=True)

    assert sorted(type(answer).__name__ for answer in answers) == ["Conflict", "int"]
    assert any(isinstance(answer, Conflict) for answer in answers)
    assert len(await texts(store, "c")) == 1


async def test_an_epoch_is_given_once_even_by_a_server_that_lost_a_claim(store: Store, target: Target) -> None:
    client = target.client()
    meta_key = store.keys.conversation("c").meta
    await store.registry.create("c", agent="default", principal="ada", now=NOW)
    saved = await client.dump(meta_key)
    zombie = await Writer.of(store, "c")
    await client.restore(meta_key, 0, saved, replace=True)  # as after a crash without the last second

    with pytest.raises(Fenced):
        await zombie.append(b"one")
    fresh = await Writer.of(store, "c")

    assert fresh.claim.epoch > zombie.claim.epoch
    with pytest.raises(Fenced):
        await zombie.append(b"one")
    await client.aclose()


async def test_a_claim_does_not_depend_on_a_clock_that_went_back(store: Store, target: Target) -> None:
    client = target.client()
    await store.registry.create("c", agent="default", principal="ada", now=NOW)
    ahead = 9_000_000_000_000_000
    await client.hset(store.keys.conversation("c").meta, "epoch", ahead)

    assert (await store.log.claim("c")).epoch == ahead + 1
    assert (await store.log.claim("c")).epoch == ahead + 2
    await client.aclose()


async def test_the_writer_of_a_deleted_conversation_finds_it_gone(store: Store) -> None:
    writer = await Writer.new(store, "c")
    await writer.append(b"one", due_at=NOW)

    await store.registry.delete("c")

    with pytest.raises(ConversationNotFound):
        await writer.append(b"two")
    with pytest.raises(ConversationNotFound):
        await store.log.claim("c")
    assert await store.registry.unfinished(NOW, 10) == []


async def test_the_writer_of_a_deleted_conversation_stays_fenced_when_the_id_is_used_again(store: Store) -> None:
    for _ in range(20):  # as fast as the server allows, so that a coarse clock would show
        zombie = await Writer.new(store, "c")
        await store.registry.delete("c")
        fresh = await Writer.new(store, "c")

        assert fresh.claim.epoch > zombie.claim.epoch
        with pytest.raises(Fenced):
            await zombie.append(b"from the grave")
        await fresh.append(b"mine")
        assert await texts(store, "c") == ["mine"]
        await store.registry.delete("c")

"""A driver hears how rows end by itself; the feed tells it what it did not hear. Each row counts once all the same."""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from deployments.batches import driver, hearing
from deployments.feed.consumers.batches import BatchRows
from store.errors import StoreUnavailable
from store.feed.entry import FeedEntry
from store.registries.batches import RowNote
from tests.support.batches import BatchWorld


def words(count: int) -> list[dict[str, str]]:
    return [{"message": f"word {number}"} for number in range(1, count + 1)]


@pytest.fixture
def no_feed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The feed tells batches nothing, and no row is looked up because it was not heard of."""

    async def take(_: BatchRows, entries: Sequence[FeedEntry]) -> None:
        """Leave them."""

    monkeypatch.setattr(BatchRows, "take", take)
    monkeypatch.setattr(driver, "UNHEARD_SECONDS", 1000.0)


async def test_rows_end_before_the_feed_is_read(world: BatchWorld, no_feed: None, ledger: Path) -> None:
    batch = await world.begin(words(40), "clerk")
    done = await world.until(batch.id, "done")
    assert (done.succeeded, done.failed, done.strikes) == (40, 0, 0)
    assert done.output_tokens == sum(result["output_tokens"] for result in await world.results(batch.id)) > 0
    assert Counter(ledger.read_text().splitlines()) == {f"word {number}": 1 for number in range(1, 41)}


async def test_what_was_missed_is_read_in_the_log(
    world: BatchWorld, no_feed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hearing, "HEARD_EVENTS", 0)  # every message is one too many
    batch = await world.begin(words(20))
    assert (await world.until(batch.id, "done")).succeeded == 20


async def test_a_row_that_is_to_be_begun_anew_is_heard_of(world: BatchWorld, no_feed: None) -> None:
    world.overloaded["word 2"] = 1
    world.fails.add("word 3")
    batch = await world.begin(words(4))
    done = await world.until(batch.id, "done")
    assert (done.succeeded, done.failed) == (3, 1)


async def test_without_live_messages_the_feed_tells_it(world: BatchWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    @asynccontextmanager
    async def refuse(*_: object, **__: object) -> AsyncIterator[None]:
        raise StoreUnavailable("no subscription")
        yield

    monkeypatch.setattr(world.store.subscriptions, "subscribe", refuse)
    batch = await world.begin(words(10), concurrency=2)
    done = await world.until(batch.id, "done")
    assert (done.succeeded, done.failed) == (10, 0)


async def test_what_the_store_does_not_take_from_the_driver_is_noted_all_the_same(
    world: BatchWorld, monkeypatch: pytest.MonkeyPatch, ledger: Path
) -> None:
    note_rows, refused = world.store.batches.note_rows, iter([True, True])

    async def refuse_twice(batch_id: str, notes: Sequence[RowNote]) -> int:
        if notes and next(refused, False):
            raise StoreUnavailable("away")
        return await note_rows(batch_id, notes)

    monkeypatch.setattr(world.store.batches, "note_rows", refuse_twice)
    batch = await world.begin(words(10), "clerk")
    done = await world.until(batch.id, "done")
    assert (done.succeeded, done.failed) == (10, 0)
    assert Counter(ledger.read_text().splitlines()) == {f"word {number}": 1 for number in range(1, 11)}

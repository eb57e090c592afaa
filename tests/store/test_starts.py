"""The line of starts: in order, only so many at once, and what a process that is gone has entered is dropped."""

import pytest

from store import Store
from store.errors import Fenced
from store.registries import starts
from store.registries.starts import OF_ANOTHER, Demand
from tests.store.conftest import Target
from tests.support.writer import NOW


@pytest.fixture
def other(target: Target, redis_prefix: str) -> Store:
    """The store of another process."""
    return target.connect(redis_prefix)


async def test_the_first_ones_begin_and_the_others_hear_their_place(store: Store) -> None:
    assert await store.starts.line_up("here", ["a", "b"], 2) == [0, 0]
    assert await store.starts.line_up("here", ["a", "b", "c", "d"], 2) == [0, 0, 1, 2]
    assert await store.starts.line_up("here", ["d", "c"], 2) == [2, 1], "it is the order in which they came"
    await store.starts.leave("here", "a")
    assert await store.starts.line_up("here", ["b", "c", "d"], 2) == [0, 0, 1]
    assert await store.starts.line_up("there", ["c"], 1) == [0], "each cluster has its own"
    assert await store.starts.entered("here") == {"b", "c", "d"}
    assert await store.starts.demand("here") == Demand(in_line=3, recent=3)


async def test_a_start_that_is_released_lets_the_next_one_begin(store: Store) -> None:
    assert await store.starts.line_up("here", ["a", "b"], 1) == [0, 1]
    await store.starts.release("here", "a")
    assert await store.starts.line_up("here", ["a", "b", "c"], 1) == [0, 0, 1]
    assert await store.starts.entered("here") == {"a", "b", "c"}


async def test_one_that_yields_lets_others_pass_for_a_while(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await store.starts.line_up("here", ["a", "suspect"], 1, yielding={"suspect"}) == [0, 1]
    assert await store.starts.line_up("here", ["a", "suspect", "b", "c"], 1, yielding={"suspect"}) == [0, 3, 1, 2]
    await store.starts.leave("here", "a")
    assert await store.starts.line_up("here", ["suspect"], 3, yielding={"suspect"}) == [0], "there is room for all"
    monkeypatch.setattr(starts, "YIELD_MS", -30_000)  # as if it had come 30 s before the others
    assert await store.starts.line_up("here", ["old"], 2, yielding={"old"}) == [0], "before b and c, which wait still"


async def test_processes_share_one_line(store: Store, other: Store) -> None:
    assert await store.starts.line_up("here", ["a"], 1) == [0]
    assert await other.starts.line_up("here", ["b"], 1) == [1]
    assert await store.starts.line_up("here", ["a", "c", "b"], 1) == [0, 2, OF_ANOTHER]
    await store.starts.leave("here", "a")
    assert await store.starts.line_up("here", ["c"], 1) == [1], "the turn of the other process has come"
    assert await other.starts.line_up("here", ["b"], 1) == [0]
    await other.aclose()


async def test_the_entries_of_a_process_that_is_gone_are_dropped(
    store: Store, other: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await other.starts.line_up("here", ["a", "b"], 1) == [0, 1]
    await other.aclose()
    assert await store.starts.line_up("here", ["a", "c"], 1) == [OF_ANOTHER, 2]
    monkeypatch.setattr(starts, "FRESH_MS", -1)
    assert await store.starts.line_up("here", ["a"], 1) == [0]


async def test_a_claim_may_ask_that_no_other_writer_has_come(store: Store) -> None:
    await store.registry.create("c", agent="default", principal="ada", now=NOW)
    found = await store.registry.get("c")
    first = await store.log.claim("c", "", cluster="here", current=found.epoch)
    with pytest.raises(Fenced):
        await store.log.claim("c", "an actor", cluster="there", current=found.epoch)
    await store.log.confirm(first)
    kept = await store.registry.get("c")
    assert (kept.place, kept.cluster) == (None, "here"), "it lives nowhere, and belongs to the cluster all the same"

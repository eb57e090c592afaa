"""What is under way at once is counted exactly: by the index of unfinished turns, and by leases of open streams."""

import asyncio

import pytest

from store import Store
from store.registries import admitted
from store.registries.admitted import BEGINNING_MS, LEASE_MS, WAITING_MS, Bound
from store.registries.counters import Counted
from tests.support.writer import Writer

ADA, ACME = Bound("acme/ada", 2), Bound("acme", 3)
NOW = 1_767_311_940_000


async def begin(store: Store, name: str, due_at: int | None = NOW) -> Bound | None:
    """Ask for a turn in a new conversation, and begin it if it may; `due_at` as in the log."""
    full = await store.admitted.begin_turn(name, [ADA, ACME], NOW)
    if full is None:
        writer = await Writer.new(store, name)
        await writer.append(b"begun", due_at=due_at)
    return full


async def test_as_many_turns_as_are_allowed(store: Store) -> None:
    assert [await begin(store, name) for name in ("a", "b", "c")] == [None, None, ADA]
    assert await store.admitted.begin_turn("a", [ADA, ACME], NOW) is None, "it is counted already"
    await store.admitted.end_turn("a", ["acme/ada", "acme"])
    assert await begin(store, "c") is None
    assert await store.admitted.turns("acme/ada", NOW) == 2


async def test_a_tenants_turns_are_those_of_all_its_people(store: Store) -> None:
    for name in ("a", "b"):
        await begin(store, name)
    bob = Bound("acme/bob", 2)
    assert await store.admitted.begin_turn("c", [bob, ACME], NOW) is None
    assert await store.admitted.begin_turn("d", [bob, ACME], NOW) == ACME
    assert await store.admitted.turns("acme/bob", NOW) == 1, "what is refused is not counted for anyone"


async def test_a_turn_counts_as_long_as_the_log_has_it_unfinished(store: Store) -> None:
    """Its host may have died, and has told nobody of the end."""
    names = ("a", "b")
    for name in names:
        await begin(store, name)
    later = NOW + 10 * BEGINNING_MS
    assert await store.admitted.begin_turn("c", [ADA], later) == ADA, "they wait for another host to take them up"
    await (await Writer.of(store, "a")).append(b"ended", due_at=None)
    assert await store.admitted.begin_turn("c", [ADA], later) is None
    assert await store.admitted.begin_turn("d", [ADA], later) == ADA


async def test_a_place_that_no_turn_has_taken_is_free_again(store: Store) -> None:
    for name in ("a", "b"):
        await store.admitted.begin_turn(name, [ADA], NOW)
    assert await store.admitted.begin_turn("c", [ADA], NOW + BEGINNING_MS) == ADA
    assert await store.admitted.begin_turn("c", [ADA], NOW + BEGINNING_MS + 1) is None


async def test_a_turn_that_waits_for_people_is_not_under_way(store: Store) -> None:
    await begin(store, "a", due_at=2**53)
    await begin(store, "b", due_at=NOW + WAITING_MS + 1)
    assert await store.admitted.turns("acme/ada", NOW) == 0
    assert [await begin(store, name) for name in ("c", "d", "e")] == [None, None, ADA]
    await (await Writer.of(store, "a")).append(b"answered", due_at=NOW)
    assert await store.admitted.turns("acme/ada", NOW) == 3, "accepted work goes on"
    await store.admitted.end_turn("c", ["acme/ada", "acme"])
    assert await begin(store, "e") == ADA


async def test_of_many_at_once_no_more_get_in(store: Store, second_store: Store) -> None:
    stores = [store, second_store] * 10
    found = await asyncio.gather(*(one.admitted.begin_turn(f"c{i}", [ADA], NOW) for i, one in enumerate(stores)))
    assert found.count(None) == 2


async def test_a_turn_that_began_unasked_counts(store: Store) -> None:
    for name in ("a", "b", "c"):
        await store.admitted.note_turn(name, ["acme/ada"], NOW)
    assert await store.admitted.turns("acme/ada", NOW) == 3
    assert await begin(store, "d") == ADA


async def test_streams_are_counted_by_leases(store: Store) -> None:
    for name in ("a", "b"):
        assert await store.admitted.open_stream(name, [ADA, ACME], NOW) is None
    assert await store.admitted.open_stream("c", [ADA, ACME], NOW) == ADA
    await store.admitted.close_stream("a", ["acme/ada", "acme"])
    assert await store.admitted.open_stream("c", [ADA, ACME], NOW) is None
    assert await store.admitted.streams("acme", NOW) == 2


async def test_a_replica_that_dies_frees_its_streams(store: Store) -> None:
    for name in ("dead", "alive"):
        await store.admitted.open_stream(name, [ADA], NOW)
    later = NOW + LEASE_MS
    await store.admitted.renew_streams([("alive", ["acme/ada"])], later - 1)
    assert await store.admitted.open_stream("new", [ADA], later - 1) == ADA
    assert await store.admitted.open_stream("new", [ADA], later) is None
    assert await store.admitted.open_stream("another", [ADA], later) == ADA


async def test_what_is_set_for_a_tenant_and_its_people(store: Store) -> None:
    assert await store.limits.get(["acme/ada", "acme"]) == [{}, {}]
    await store.limits.set("acme/ada", {"turns": 3, "cost": None})
    await store.limits.set("acme", {"requests": "5/second"})
    assert await store.limits.get(["acme/ada", "acme"]) == [{"turns": 3, "cost": None}, {"requests": "5/second"}]
    await store.limits.remove("acme/ada")
    assert await store.limits.get(["acme/ada", "acme"]) == [{}, {"requests": "5/second"}]


async def test_what_replicas_count_adds_up(store: Store, second_store: Store) -> None:
    first, second = Counted("acme/ada", "requests", 7, 3, 60), Counted("acme", "bytes", 7, 500, 60)
    assert await store.counters.add([first, second]) == [3, 500]
    assert await second_store.counters.add([first]) == [6]
    assert await second_store.counters.add([first._replace(window=8)]) == [3]


@pytest.mark.parametrize("name", ["BEGINNING_MS", "LEASE_MS"])
def test_what_died_is_free_within_half_a_minute(name: str) -> None:
    assert getattr(admitted, name) <= 30_000

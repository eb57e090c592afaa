"""The engine hands each consumer what happens: at least once, in order, whatever the others do."""

import asyncio
from collections.abc import Sequence

import pytest
from redis.asyncio import Redis

from agents.agent import Catalog
from agents.arrivals import Arrivals
from deployments.feed import engine as engine_module
from deployments.feed import reader as reader_module
from deployments.feed.consumer import FeedServices, make_consumers
from deployments.feed.engine import FeedEngine
from deployments.feed.partitions import CHUNK_ENTRIES
from deployments.feed.reader import MAX_PARTITIONS, MAX_STRIKES
from deployments.settings import Settings
from deployments.work.client import JobClient
from deployments.work.queues import Queues
from store import Store, StoreUnavailable, connect
from store.feed.entry import FeedEntry, Position
from store.feed.feed import ReadEntry
from store.keys import PARTITIONS
from tests.servers.cluster import ValkeyCluster
from tests.support.api import eventually
from tests.support.conversation_workbench import worker
from tests.support.conversations import World, rest, say
from tests.support.feed import Ledger, ended, engine_of, running
from tests.support.writer import NOW, Writer


async def entries_left(store: Store) -> int:
    reads = [await store.feed.read(partition, Position(), 10_000) for partition in range(PARTITIONS)]
    return sum(map(len, reads))


async def until_nothing_is_left(store: Store) -> None:
    async with asyncio.timeout(20):
        while await entries_left(store):  # noqa: ASYNC110 - nothing tells it
            await asyncio.sleep(0.01)


async def test_turns_of_conversations_are_heard(world: World) -> None:
    ledger = Ledger()
    async with running(world.store, ledger):
        conversation = await world.start(worker())
        await say(conversation)
        await rest(conversation)
        await ledger.until_heard("c", [1])
        await until_nothing_is_left(world.store)

    kinds = [entry.type for entry in ledger.taken if entry.conversation_id == "c"]
    assert kinds[:2] == ["conversation_created", "turn_started"]
    assert kinds[-1] == "turn_ended"
    assert [state.lag for state in await world.store.feed.states()] == [0]


async def test_people_who_wait_for_an_answer_come_first(store: Store) -> None:
    class Noted(Arrivals):
        def __init__(self) -> None:
            super().__init__(patience=3600.0)
            self.is_waited_for = asyncio.Event()

        async def settle(self) -> None:
            self.is_waited_for.set()
            await super().settle()

    ledger, arrivals = Ledger(), Noted()
    writer = await Writer.new(store, "c")
    with arrivals.taking_in():
        async with running(store, ledger, arrivals=arrivals):
            await writer.append(b"1", feed=[ended(1)])
            async with asyncio.timeout(20):
                await arrivals.is_waited_for.wait()
            assert ledger.calls == []
    async with running(store, ledger, arrivals=arrivals):
        await ledger.until_heard("c", [1])


async def test_a_group_that_was_away_goes_on_where_it_was(store: Store) -> None:
    ledger, other = Ledger(), Ledger("other")
    async with running(store, ledger, other):
        writer = await Writer.new(store, "c")
        await writer.append(b"1", feed=[ended(1)])
        await ledger.until_heard("c", [1])
        await other.until_heard("c", [1])
    await writer.append(b"2", feed=[ended(2)])
    async with running(store, other):
        await other.until_heard("c", [1, 2])
    assert await entries_left(store) == 1
    async with running(store, ledger):
        await ledger.until_heard("c", [1, 2])
        await until_nothing_is_left(store)


async def test_a_consumer_that_fails_holds_up_no_other_and_misses_nothing(store: Store) -> None:
    down = True
    failing, fine = Ledger("failing", lambda _: down), Ledger("fine")
    async with running(store, failing, fine):
        writers = [await Writer.new(store, f"c{i}") for i in range(4)]
        for turn in (1, 2, 3):
            for writer in writers:
                await writer.append(b"x", feed=[ended(turn)])
        for i in range(4):
            await fine.until_heard(f"c{i}", [1, 2, 3])
        await failing.until(lambda: len(failing.calls) > 3 * MAX_STRIKES)

        async def fine_has_said_so() -> bool:  # a moment after it has heard
            return {state.name: state.lag for state in await store.feed.states()} == {"failing": 16, "fine": 0}

        await eventually(fine_has_said_so)
        assert failing.taken == []
        down = False
        for i in range(4):
            await failing.until_heard(f"c{i}", [1, 2, 3])
        await until_nothing_is_left(store)
    assert [state.aside for state in await store.feed.states()] == [0, 0]


async def test_a_consumer_that_hangs_fails(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader_module, "TAKE_SECONDS", 0.05)

    class Hanging(Ledger):
        async def take(self, entries: Sequence[FeedEntry]) -> None:
            await super().take(entries)
            if len(self.calls) < 3:
                await asyncio.Event().wait()

    hanging = Hanging()
    async with running(store, hanging):
        writer = await Writer.new(store, "c")
        await writer.append(b"1", feed=[ended(1)])
        await hanging.until_heard("c", [1])
        await until_nothing_is_left(store)
    assert len(hanging.calls) >= 3


async def test_an_entry_that_cannot_be_taken_is_set_aside_when_others_can(store: Store) -> None:
    """In its own conversation nothing overtakes it before that; other partitions do not wait."""
    ledger = Ledger(fails=lambda entry: entry.conversation_id == "bad" and entry.data.get("turn") == 2)
    async with running(store, ledger) as engine:
        bad, good = await Writer.new(store, "bad"), await Writer.new(store, "good")
        assert store.keys.partition("bad") != store.keys.partition("good")
        for turn in (1, 2, 3):
            await bad.append(b"x", feed=[ended(turn)])
        await ledger.until_heard("bad", [1])
        await ledger.until(lambda: any(failure.tries > MAX_STRIKES for failure in engine.readers[0].failures.values()))
        assert ledger.turns("bad") == [1]
        turn = 0
        while ledger.turns("bad") != [1, 3]:
            turn += 1
            await good.append(b"x", feed=[ended(turn)])
            await ledger.until_heard("good", range(1, turn + 1))
        await until_nothing_is_left(store)
        [state] = await store.feed.states()
    assert turn >= MAX_STRIKES
    assert state.aside == 1


async def test_an_entry_waits_for_as_long_as_its_consumer_cannot_reach_the_store(store: Store) -> None:
    """In a cluster, what a consumer writes for one entry may be away while it can write for others."""

    class Away(Ledger):
        is_away = True

        async def take(self, entries: Sequence[FeedEntry]) -> None:
            if self.is_away and any(entry.conversation_id == "bad" for entry in entries):
                raise StoreUnavailable("a node of the cluster")
            await super().take(entries)

    ledger = Away()
    async with running(store, ledger) as engine:
        bad, good = await Writer.new(store, "bad"), await Writer.new(store, "good")
        await bad.append(b"x", feed=[ended(1)])
        for turn in range(1, 2 * MAX_STRIKES):
            tries = max((failure.tries for failure in engine.readers[0].failures.values()), default=0)
            await good.append(b"x", feed=[ended(turn)])
            await ledger.until_heard("good", range(1, turn + 1))
            await ledger.until(lambda: any(f.tries > tries for f in engine.readers[0].failures.values()))  # noqa: B023
        ledger.is_away = False
        await ledger.until_heard("bad", [1])
        await until_nothing_is_left(store)
        [state] = await store.feed.states()
    assert state.aside == 0


async def test_what_no_script_wrote_is_set_aside_at_once(store: Store, redis_url: str) -> None:
    ledger = Ledger()
    async with running(store, ledger), Redis.from_url(redis_url) as redis:
        writer = await Writer.new(store, "c")
        await redis.xadd(store.keys.feed(store.keys.partition("c")).stream, {"d": "forged"})
        await writer.append(b"1", feed=[ended(1)])
        await ledger.until_heard("c", [1])
        await until_nothing_is_left(store)
        [state] = await store.feed.states()
    assert state.aside == 1


async def test_what_was_cut_off_is_counted(store: Store) -> None:
    slow = Ledger("slow")
    engine = engine_of(store, slow, max_entries=100)
    await engine.register()
    writer = await Writer.new(store, "c")
    for turn in range(1, 401):
        await writer.append(feed=[ended(turn)])
    left = await entries_left(store)
    async with running(store, slow):
        await slow.until(lambda: len(slow.taken) >= left)
        await until_nothing_is_left(store)
        [state] = await store.feed.states()
    assert left < 250
    assert state.lost == 401 - left
    assert slow.turns("c") == list(range(401 - left, 401))


async def test_a_lost_wake_costs_seconds_and_no_entry(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger()
    async with running(store, ledger) as engine:
        writer = await Writer.new(store, "c")
        await writer.append(b"1", feed=[ended(1)])
        await ledger.until_heard("c", [1])
        monkeypatch.setattr(engine, "_wake", lambda _: None)
        await writer.append(b"2", feed=[ended(2)])
        await ledger.until_heard("c", [1, 2])


async def test_entries_without_a_wake_of_their_own_are_heard(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many one after another, while only some wake the readers, and long before the sweep would find them."""
    monkeypatch.setattr(engine_module, "SWEEP_SECONDS", 3600)
    monkeypatch.setattr(reader_module, "GATHER_SECONDS", 0.25)
    ledger = Ledger()
    async with running(store, ledger):
        writer = await Writer.new(store, "c")
        for turn in range(1, 41):
            await writer.append(b"r", feed=[ended(turn)])
            await asyncio.sleep(0.02)
        await ledger.until_heard("c", list(range(1, 41)))


async def test_an_error_of_its_own_ends_no_reader(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "PAUSE_SECONDS", 0.01)
    ledger, read, failed = Ledger(), store.feed.read, 0

    async def failing_read(partition: int, after: Position, limit: int) -> list[ReadEntry]:
        nonlocal failed
        failed += 1
        if failed < 100:
            raise KeyError("a bug")
        return await read(partition, after, limit)

    monkeypatch.setattr(store.feed, "read", failing_read)
    async with running(store, ledger):
        writer = await Writer.new(store, "c")
        await writer.append(b"1", feed=[ended(1)])
        await ledger.until_heard("c", [1])
    assert failed >= 100


async def test_a_server_that_lost_its_last_entries_is_followed(store: Store, redis_url: str) -> None:
    """The replica that took over had neither the entries nor the cursor behind them, and its clock is behind."""
    ledger = Ledger()
    keys = store.keys.feed(store.keys.partition("c"))
    async with running(store, ledger, Ledger("never", lambda _: True)), Redis.from_url(redis_url) as redis:
        writer = await Writer.new(store, "c")
        await writer.append(b"1", feed=[ended(1)])
        await ledger.until_heard("c", [1])
        await asyncio.sleep(0.05)
        fields = {"n": 1, "c": "c", "o": "ada", "r": "c", "at": NOW, "d": '[["turn_ended",{"turn":7}]]'}
        async with redis.pipeline(transaction=True) as pipeline:
            pipeline.delete(keys.stream)
            pipeline.xadd(keys.stream, fields, id="5-0")
            pipeline.hset(keys.groups, mapping={"added": 1, "cursor:ledger": "0-0 0", "cursor:never": "0-0 0"})
            await pipeline.execute()
        await ledger.until_heard("c", [1, 7])


async def test_two_replicas_share_the_work_and_one_goes_on_alone(
    store: Store, redis_url: str, redis_prefix: str
) -> None:
    stores = [connect(redis_url, prefix=redis_prefix) for _ in range(2)]
    ledgers = [Ledger(), Ledger()]
    held = [0, 0]
    async with running(stores[0], ledgers[0]) as first:
        async with running(stores[1], ledgers[1]) as second:
            async with asyncio.timeout(10):
                while sum(held) < engine_module.LEASES:
                    held = [len(engine._held) for engine in (first, second)]
                    await asyncio.sleep(0.01)
            writers = [await Writer.new(store, f"c{i}") for i in range(40)]
            for writer in writers:
                await writer.append(b"1", feed=[ended(1)])
            await ledgers[0].until(lambda: sum(len(ledger.taken) for ledger in ledgers) == 80)
        for writer in writers:
            await writer.append(b"2", feed=[ended(2)])
        await ledgers[0].until(lambda: sum(len(ledger.taken) for ledger in ledgers) == 120)
    for one in stores:
        await one.aclose()
    assert min(held) > 0
    assert {len({entry.id for entry in ledger.taken}) - len(ledger.taken) for ledger in ledgers} == {0}


async def test_a_group_without_a_consumer_is_dropped(store: Store) -> None:
    async with running(store, Ledger("old")):
        pass
    engine = engine_of(store, Ledger("new"), group_days=1e-9)
    await engine.register()
    await engine._hold_leases()
    while 0 not in engine._held:
        await engine._hold_leases()
    await asyncio.sleep(0.01)
    await engine._tend_groups()
    assert [state.name for state in await store.feed.states()] == ["new"]
    await engine._stop()


async def test_a_group_that_was_away_for_a_day_needs_little_memory(store: Store, redis_url: str) -> None:
    """100,000 entries, most of them in two partitions: what is in memory at once is a chunk of some partitions."""
    ledger = Ledger()
    await engine_of(store, ledger).register()
    fill = """
    for i = 1, tonumber(ARGV[1]) do
      redis.call('XADD', KEYS[1], '*', 'n', i, 'c', 'c' .. i % 100, 'o', 'acme/ada', 'r', 'c' .. i % 100,
        'at', 1, 'd', '[["turn_ended",{"turn":' .. i .. ',"outcome":"completed"}]]')
    end
    redis.call('HSET', KEYS[2], 'added', ARGV[1])"""
    counts = dict.fromkeys(range(PARTITIONS), 500) | {0: 40_000, 1: 29_000}
    async with Redis.from_url(redis_url) as redis:
        for partition, count in counts.items():
            keys = store.keys.feed(partition)
            await redis.eval(fill, 2, keys.stream, keys.groups, count)
    total, taken, waiting, most = sum(counts.values()), 0, 0, 0
    turns = dict.fromkeys(counts, 0)
    read = store.feed.read

    async def counted_read(partition: int, after: Position, limit: int) -> list[ReadEntry]:
        nonlocal waiting, most
        found = await read(partition, after, limit)
        waiting += len(found)
        most = max(most, waiting)
        return found

    async def take(entries: Sequence[FeedEntry]) -> None:
        nonlocal taken, waiting
        taken += len(entries)
        waiting -= len(entries)
        for entry in entries:
            assert entry.data["turn"] == turns[entry.partition] + 1
            turns[entry.partition] += 1

    store.feed.read = counted_read  # type: ignore[method-assign]
    ledger.take = take  # type: ignore[method-assign]
    async with running(store, ledger):
        async with asyncio.timeout(60):
            while taken < total:  # noqa: ASYNC110 - nothing tells it
                await asyncio.sleep(0.05)
        store.feed.read = read  # type: ignore[method-assign]
        await until_nothing_is_left(store)
    assert total == 100_000
    assert taken == total
    assert most <= MAX_PARTITIONS * CHUNK_ENTRIES


@pytest.mark.cluster
async def test_on_a_cluster(valkey_cluster: ValkeyCluster, redis_prefix: str) -> None:
    store = connect(valkey_cluster.url, cluster=True, prefix=redis_prefix)
    first, second = Ledger("first"), Ledger("second")
    async with running(store, first, second):
        for i in range(10):
            writer = await Writer.new(store, f"c{i}")
            for turn in (1, 2):
                await writer.append(b"x", feed=[ended(turn)])
        for i in range(10):
            await first.until_heard(f"c{i}", [1, 2])
            await second.until_heard(f"c{i}", [1, 2])
        await until_nothing_is_left(store)
    await store.aclose()


def test_the_consumers_are_found_and_have_names_of_their_own(store: Store) -> None:
    consumers = make_consumers(
        FeedServices(Settings(), store, Catalog([worker()]), JobClient(store, Queues(Settings())))
    )
    assert len({consumer.name for consumer in consumers}) == len(consumers)
    with pytest.raises(ValueError, match="same name"):
        FeedEngine(store, [Ledger(), Ledger()], group_days=1, max_entries=1000)

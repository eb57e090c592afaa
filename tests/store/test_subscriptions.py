"""Subscriptions: one connection for all readers, and every gap is reported."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from redis.asyncio import Redis

import store.live.subscriber
from store import Store, StoreUnavailable, connect
from store.errors import Overflow, Reconnected
from store.live.subscriber import LiveSubscriber
from store.live.subscription import MAX_QUEUED_BYTES, Subscription
from tests.servers.cluster import ValkeyCluster
from tests.servers.process import RedisServer
from tests.servers.proxy import Proxy
from tests.store.conftest import Target
from tests.support.writer import until

FOREVER = 3600


async def say(opened: Store, conversation_id: str, number: int) -> None:
    """Publish one event and wait until it has left."""
    opened.live.publish(conversation_id, 1, {"type": "state_changed", "last_seq": number})
    await opened.live.flush()


def said(number: int) -> dict[str, Any]:
    """What a reader gets after `say`."""
    return {"epoch": 1, "events": [{"type": "state_changed", "last_seq": number}]}


async def next_message(subscription: Subscription) -> dict[str, Any]:
    """The next message, soon."""
    async with asyncio.timeout(5):
        return await subscription.get()


@pytest.fixture
async def proxy(redis_server: RedisServer) -> AsyncIterator[Proxy]:
    """A connection to the run's Valkey that can be cut."""
    async with Proxy(redis_server.port) as proxy:
        yield proxy


@pytest.fixture
async def listening(proxy: Proxy, redis_prefix: str) -> AsyncIterator[Store]:
    """A store whose connections go through the proxy."""
    opened = connect(proxy.url, prefix=redis_prefix)
    yield opened
    await opened.aclose()


@pytest.fixture
async def speaking(redis_url: str, redis_prefix: str) -> AsyncIterator[Store]:
    """A store that publishes directly, without the proxy."""
    opened = connect(redis_url, prefix=redis_prefix)
    yield opened
    await opened.aclose()


async def test_a_confirmed_subscription_misses_nothing(store: Store, second_store: Store) -> None:
    for number in range(20):
        async with store.subscriptions.subscribe("c") as subscription:
            await say(second_store, "c", number)
            assert await next_message(subscription) == said(number)


async def test_readers_share_one_parsed_message(store: Store) -> None:
    async with store.subscriptions.subscribe("c") as one, store.subscriptions.subscribe("c") as two:
        await say(store, "c", 1)

        first, second = await next_message(one), await next_message(two)

    assert first == said(1)
    assert first is second


async def test_readers_hear_only_their_conversation(store: Store) -> None:
    async with store.subscriptions.subscribe("c") as one, store.subscriptions.subscribe("d") as two:
        await say(store, "d", 1)
        await say(store, "c", 2)

        assert await next_message(one) == said(2)
        assert await next_message(two) == said(1)


async def test_readers_come_and_go_independently(store: Store) -> None:
    async with store.subscriptions.subscribe("c") as stays:
        async with store.subscriptions.subscribe("c"):
            await say(store, "c", 1)
        await say(store, "c", 2)

        assert [await next_message(stays), await next_message(stays)] == [said(1), said(2)]


async def test_a_process_uses_one_connection_and_leaves_channels_without_readers(store: Store, target: Target) -> None:
    if target.clustered:
        pytest.skip("the nodes of a cluster count their own subscribers only")
    client = Redis.from_url(target.url)
    names = [store.keys.conversation(f"c{number}").live for number in range(30)]

    async def subscribers() -> list[int]:
        return [count for _, count in await client.pubsub_numsub(*names)]

    async def one(name: str, entered: asyncio.Barrier, leave: asyncio.Event) -> None:
        async with store.subscriptions.subscribe(name):
            await entered.wait()
            await leave.wait()

    before = len(await client.client_list(_type="pubsub"))
    entered, leave = asyncio.Barrier(61), asyncio.Event()
    readers = [asyncio.create_task(one(f"c{number % 30}", entered, leave)) for number in range(60)]
    await entered.wait()
    assert await subscribers() == [1] * 30
    assert len(await client.client_list(_type="pubsub")) - before == 1

    leave.set()
    await asyncio.gather(*readers)
    async with asyncio.timeout(5):
        while any(await subscribers()):
            pass
    await client.aclose()


async def test_leaving_and_entering_at_once_is_no_gap(store: Store, second_store: Store) -> None:
    async def abandon() -> None:
        async with store.subscriptions.subscribe("c"):
            await asyncio.sleep(FOREVER)

    for number in range(30):
        hasty = asyncio.create_task(abandon())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        hasty.cancel()
        async with store.subscriptions.subscribe("c") as subscription:
            await say(second_store, "c", number)
            assert await next_message(subscription) == said(number)
        await asyncio.wait({hasty})


async def test_a_slow_reader_overflows_and_goes_on(store: Store) -> None:
    async with (
        store.subscriptions.subscribe("c", size=3) as slow,
        store.subscriptions.subscribe("c", size=100) as quick,
    ):
        for number in range(6):
            await say(store, "c", number)
        assert [await next_message(quick) for _ in range(6)] == [said(number) for number in range(6)]

        with pytest.raises(Overflow) as gap:
            await next_message(slow)
        assert gap.value.conversation_id == "c"
        await say(store, "c", 99)
        rest = [await next_message(slow)]
        while rest[-1] != said(99):
            rest.append(await next_message(slow))


async def test_the_bytes_that_wait_for_a_reader_are_bounded(store: Store) -> None:
    async def tell(text: str) -> None:
        store.live.publish("c", 1, {"type": "note", "text": text})
        await store.live.flush()

    async with store.subscriptions.subscribe("c") as slow, store.subscriptions.subscribe("c") as quick:
        for number in range(4):
            text = str(number) * (MAX_QUEUED_BYTES // 3)
            await tell(text)
            assert (await next_message(quick))["events"][0]["text"] == text
        with pytest.raises(Overflow):
            await next_message(slow)
        assert (await next_message(slow))["events"][0]["text"][0] == "3"
        await tell("x" * 2 * MAX_QUEUED_BYTES)  # a single message is accepted, however large
        assert len((await next_message(slow))["events"][0]["text"]) == 2 * MAX_QUEUED_BYTES


async def test_a_message_that_is_not_json_is_ignored(store: Store, target: Target) -> None:
    client = target.client()
    async with store.subscriptions.subscribe("c") as subscription:
        await client.execute_command(
            "EVAL",
            "return redis.call('PUBLISH', ARGV[1], ARGV[2])",
            1,
            store.keys.conversation("c").meta,
            store.keys.conversation("c").live,
            "no json",
        )
        await say(store, "c", 1)

        assert await next_message(subscription) == said(1)
    await client.aclose()


async def test_a_cut_connection_comes_back_and_is_told(proxy: Proxy, listening: Store, speaking: Store) -> None:
    async with listening.subscriptions.subscribe("c") as one, listening.subscriptions.subscribe("d") as two:
        for number in range(3):
            await say(speaking, "c", number)
            assert await next_message(one) == said(number)
            proxy.cut()

            with pytest.raises(Reconnected):
                await next_message(one)
            with pytest.raises(Reconnected):
                await next_message(two)
            await say(speaking, "d", number)
            assert await next_message(two) == said(number)


async def test_a_reader_that_joins_during_an_outage_waits_for_the_end(
    proxy: Proxy, listening: Store, speaking: Store
) -> None:
    async with listening.subscriptions.subscribe("c") as old:
        proxy.refusing = True
        proxy.cut()
        entering = listening.subscriptions.subscribe("c")
        await until(lambda: listening.subscriptions._commands is None)
        joined = asyncio.create_task(entering.__aenter__())
        await asyncio.sleep(0.2)
        assert not joined.done()

        proxy.refusing = False
        young = await joined
        with pytest.raises(Reconnected):
            await next_message(old)
        await say(speaking, "c", 1)
        assert [await next_message(old), await next_message(young)] == [said(1), said(1)]
        await entering.__aexit__(None, None, None)


async def test_an_unconfirmed_subscription_is_an_error(
    proxy: Proxy, listening: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store.live.subscriber, "CONFIRMATION_SECONDS", 0.2)
    proxy.refusing = True
    with pytest.raises(StoreUnavailable):
        async with listening.subscriptions.subscribe("c"):
            raise AssertionError("entered without a confirmation")


async def test_a_server_that_stops_answering_counts_as_lost(
    own_server: Callable[..., RedisServer],
) -> None:
    server = own_server()
    opened = connect(server.url, socket_timeout=0.2, connect_timeout=0.2)
    impatient = LiveSubscriber(opened._client, opened.keys, silence=0.2)
    async with impatient.subscribe("c") as subscription:
        await asyncio.sleep(0.7)  # silent, but alive
        with server.paused():
            await asyncio.sleep(0.7)
        with pytest.raises(Reconnected):
            await next_message(subscription)
        await say(opened, "c", 1)
        assert await next_message(subscription) == said(1)
    await impatient.aclose()
    await opened.aclose()


async def test_subscriptions_survive_a_killed_server(own_server: Callable[..., RedisServer]) -> None:
    server = own_server()
    opened = connect(server.url)
    async with opened.subscriptions.subscribe("c") as subscription:
        server.restart()

        with pytest.raises(Reconnected):
            await next_message(subscription)
        await say(opened, "c", 1)
        assert await next_message(subscription) == said(1)
    await opened.aclose()


async def test_closing_wakes_the_readers(listening: Store) -> None:
    async with listening.subscriptions.subscribe("c") as subscription:
        waiting = asyncio.create_task(subscription.get())
        await asyncio.sleep(0)
        await listening.subscriptions.aclose()

        with pytest.raises(StoreUnavailable):
            await waiting


async def test_watchers_are_counted_while_they_listen(store: Store, second_store: Store) -> None:
    assert await store.live.watchers("c") == 0
    async with store.subscriptions.subscribe("c"):
        assert await second_store.live.watchers("c") == 1
        async with store.subscriptions.subscribe("c"), second_store.subscriptions.subscribe("c"):
            assert await store.live.watchers("c") == 2  # processes, not readers
        assert await store.live.watchers("other") == 0
        await wait_for_watchers(store, "c", 1)
    await wait_for_watchers(store, "c", 0)


async def wait_for_watchers(opened: Store, conversation_id: str, expected: int) -> None:
    """Wait until Redis has noticed which readers left."""
    async with asyncio.timeout(5):
        while await opened.live.watchers(conversation_id) != expected:  # noqa: ASYNC110
            await asyncio.sleep(0.002)


@pytest.mark.cluster
async def test_watchers_on_any_node_of_a_cluster_are_counted(valkey_cluster: ValkeyCluster, redis_prefix: str) -> None:
    stores = [connect(valkey_cluster.url, cluster=True, prefix=redis_prefix) for _ in range(8)]
    async with AsyncExitStack() as stack:
        for opened in stores:
            await stack.enter_async_context(opened.subscriptions.subscribe("c"))
        assert await stores[0].live.watchers("c") == 8  # each connects to a node of its choice
    for opened in stores:
        await opened.aclose()


async def test_without_redis_watchers_cannot_be_counted(own_server: Callable[..., RedisServer]) -> None:
    server = own_server()
    opened = connect(server.url, patience=0.1, socket_timeout=0.2, connect_timeout=0.2)
    server.kill()

    with pytest.raises(StoreUnavailable):
        await opened.live.watchers("c")
    await opened.aclose()

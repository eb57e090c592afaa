"""What happens to the store only in a cluster: keys on every node, and a node that dies."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.crc import key_slot

from store import Store, StoreUnavailable, connect
from store.errors import Reconnected
from store.live.subscription import Subscription
from store.registries.lists import of_principal
from tests.servers.cluster import SIZE, SLOTS, ValkeyCluster
from tests.servers.fixtures import VALKEY
from tests.servers.process import available_binaries
from tests.support.writer import NOW, Writer, texts

pytestmark = pytest.mark.cluster


@pytest.fixture
def own_cluster(tmp_path: Path) -> Iterator[ValkeyCluster]:
    """A cluster for one test, which may kill its nodes."""
    cluster = ValkeyCluster(available_binaries()[VALKEY], tmp_path)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


def node_of(store: Store, conversation_id: str) -> int:
    """Which node owns a conversation."""
    return key_slot(store.keys.conversation(conversation_id).log.encode()) * SIZE // SLOTS


def on_node(store: Store, node: int) -> str:
    """The id of a conversation on this node."""
    return next(f"c{number}" for number in range(1000) if node_of(store, f"c{number}") == node)


async def test_conversations_of_all_nodes_work_at_once(valkey_cluster: ValkeyCluster, redis_prefix: str) -> None:
    store = connect(valkey_cluster.url, cluster=True, prefix=redis_prefix)
    names = [on_node(store, node) for node in range(SIZE)]
    writers = await asyncio.gather(*(Writer.new(store, name) for name in names))
    await asyncio.gather(*(writer.append(b"x", due_at=NOW) for writer in writers))

    assert sorted(await store.registry.unfinished(NOW, 10)) == sorted(names)
    page, _ = await store.registry.list(of_principal("ada"), limit=10)
    assert sorted(meta.id for meta in page) == sorted(names)
    for name in names:
        await store.registry.delete(name)
    await store.aclose()


async def test_live_events_and_notices_of_a_conversation_keep_their_order(
    valkey_cluster: ValkeyCluster, redis_prefix: str
) -> None:
    store = connect(valkey_cluster.url, cluster=True, prefix=redis_prefix)
    for node in range(SIZE):
        name = on_node(store, node)
        writer = await Writer.new(store, name)
        async with store.subscriptions.subscribe(name) as subscription:
            for number in range(50):
                store.live.publish(name, 1, {"type": "x", "n": number})
                await store.live.flush()
                await writer.append(b"x", notice=b'{"events":[{"n":%d.5}]}' % number)
            seen = [event["n"] for _ in range(100) for event in (await subscription.get())["events"]]
        assert seen == sorted(seen)
        await store.registry.delete(name)
    await store.aclose()


async def node_listened_on(cluster: ValkeyCluster, channel: str) -> int:
    """The node that a channel's only subscriber is connected to."""
    for number, node in enumerate(cluster.nodes):
        async with Redis.from_url(node.url) as client:
            if dict(await client.pubsub_numsub(channel))[channel.encode()]:
                return number
    raise AssertionError("there is no subscriber")


async def next_gap(subscription: Subscription) -> None:
    """Read until the subscription tells that it reconnected."""
    async with asyncio.timeout(10):
        while True:
            try:
                await subscription.get()
            except Reconnected:
                return


async def test_a_dead_node_takes_only_its_own_conversations_away(own_cluster: ValkeyCluster) -> None:
    store = connect(own_cluster.url, cluster=True, patience=0.5, socket_timeout=0.5, connect_timeout=0.5)
    writers = [await Writer.new(store, on_node(store, node)) for node in range(SIZE)]
    for writer in writers:
        await writer.append(b"one", client_ids={"first": 1})
    names = [writer.claim.conversation_id for writer in writers]
    async with store.subscriptions.subscribe(names[0]) as subscription:
        dead = await node_listened_on(own_cluster, store.keys.conversation(names[0]).live)
        own_cluster.nodes[dead].kill()

        await next_gap(subscription)
        for number, writer in enumerate(writers):
            if number == dead:
                with pytest.raises(StoreUnavailable):
                    await writer.append(b"two", give_up=lambda: True)
            else:
                assert await writer.append(b"two", notice=b'{"n":1}') == 2
        if dead != 0:
            assert await subscription.get() == {"n": 1}

        own_cluster.nodes[dead].start()
        await writers[dead].append(b"two")
        assert await texts(store, names[dead]) == ["one", "two"]
    await store.aclose()

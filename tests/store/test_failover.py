"""The primary is lost and a replica takes its place: writers find it, and two versions of a log never mix."""

import asyncio
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis.crc import key_slot

from store import Fenced, Store, connect
from store.client.replication import Replication
from store.errors import Conflict, Reconnected
from tests.servers.cluster import SIZE, SLOTS, ValkeyCluster
from tests.servers.fixtures import VALKEY
from tests.servers.process import RedisServer, available_binaries, free_port, send_command
from tests.servers.proxy import Proxy
from tests.support.writer import NOW, Writer, texts

Pair = tuple[RedisServer, RedisServer]


@pytest.fixture
def pair(own_server: Callable[..., RedisServer]) -> Pair:
    """A primary and its replica."""
    primary, replica = own_server(), own_server(options=("--appendonly", "no"))
    replica.follow(primary)
    return primary, replica


async def arrived(replica: RedisServer, store: Store, records: int) -> None:
    """Wait until the replica has so many records of "c"."""
    key = store.keys.conversation("c").log
    async with asyncio.timeout(5):
        while send_command(replica.port, "XLEN", key) != f":{records}\r\n":  # noqa: ASYNC110 - another process replicates
            await asyncio.sleep(0.002)


async def test_a_stable_address_that_leads_to_the_new_primary(pair: Pair) -> None:
    old, new = pair
    async with Proxy(old.port) as proxy:
        store = connect(proxy.url, patience=5)
        writer = await Writer.new(store, "c")
        async with store.subscriptions.subscribe("c") as subscription:
            await writer.append(b"one")
            await arrived(new, store, 1)
            # As a careful operator does it: the old primary becomes a replica, with all its connections open.
            new.promote()
            proxy.move(new.port)
            await asyncio.to_thread(old.follow, new)

            assert await writer.append(b"two", notice=b'{"n":2}') == 2

            assert await subscription.get() == {"n": 2}, "the watchers' old connection gets it by replication"
            assert send_command(new.port, "XLEN", store.keys.conversation("c").log) == ":2\r\n"
        await store.aclose()


async def test_watchers_leave_a_server_that_has_lost_its_role_and_its_primary(pair: Pair) -> None:
    old, new = pair
    async with Proxy(old.port) as proxy:
        store = connect(proxy.url, patience=5)
        store.subscriptions._silence = 0.1
        writer = await Writer.new(store, "c")
        async with store.subscriptions.subscribe("c") as subscription:
            await writer.append(b"one")
            await arrived(new, store, 1)
            new.promote()
            proxy.move(new.port)
            # It answers, and gets no messages any more.
            assert send_command(old.port, "REPLICAOF", "127.0.0.1", "1").startswith("+OK")

            assert await writer.append(b"two", notice=b'{"n":2}') == 2

            async with asyncio.timeout(5):
                with pytest.raises(Reconnected):
                    await subscription.get()
                await writer.append(b"three", notice=b'{"n":3}')
                assert await subscription.get() == {"n": 3}
        await store.aclose()


async def test_a_writer_whose_last_records_are_lost_ends(pair: Pair) -> None:
    old, new = pair
    async with Proxy(old.port) as proxy:
        store = connect(proxy.url, patience=5, socket_timeout=0.3)
        writer = await Writer.new(store, "c")
        await writer.append(b"kept")
        await arrived(new, store, 1)
        new.promote()  # and follows the old primary no more
        await writer.append(b"lost", b"lost too")
        proxy.move(new.port)
        old.kill()

        with pytest.raises(Conflict) as refusal:
            await writer.append(b"based on what is lost")
        assert (refusal.value.expected_last_seq, refusal.value.last_seq) == (3, 1)

        successor = await Writer.of(store, "c")
        assert await successor.append(b"new") == 2
        with pytest.raises(Fenced):
            await writer.append(b"based on what is lost")
        assert await texts(store, "c") == ["kept", "new"]
        await store.aclose()


async def test_a_writer_whose_claim_is_lost_ends(pair: Pair) -> None:
    old, new = pair
    async with Proxy(old.port) as proxy:
        store = connect(proxy.url, patience=5, socket_timeout=0.3)
        first = await Writer.new(store, "c")
        await first.append(b"kept")
        await arrived(new, store, 1)
        new.promote()
        second = await Writer.of(store, "c")
        proxy.move(new.port)
        old.kill()

        with pytest.raises(Fenced):
            await second.append(b"nobody knows this epoch")
        third = await Writer.of(store, "c")
        assert third.claim.epoch > second.claim.epoch > first.claim.epoch
        await store.aclose()


@pytest.fixture
def sentinel(pair: Pair, tmp_path: Path) -> Iterator[int]:
    """The port of a Sentinel that watches the pair, and considers a primary dead after a third of a second."""
    port, place = free_port(), tmp_path / "sentinel.conf"
    place.write_text(
        f"port {port}\nbind 127.0.0.1\ndir {tmp_path}\n"
        f"sentinel monitor talk 127.0.0.1 {pair[0].port} 1\n"
        "sentinel down-after-milliseconds talk 300\nsentinel failover-timeout talk 2000\n"
    )
    with (tmp_path / "sentinel.log").open("wb") as output:
        process = subprocess.Popen([str(available_binaries()[VALKEY]), str(place), "--sentinel"], stdout=output)
    try:
        yield port
    finally:
        process.kill()
        process.wait()


async def test_sentinels_name_the_new_primary(pair: Pair, sentinel: int) -> None:
    store = connect(f"sentinel://127.0.0.1:{free_port()},127.0.0.1:{sentinel}/talk/0", patience=20, connect_timeout=0.3)
    writer = await Writer.new(store, "c")
    await writer.append(b"one")
    await arrived(pair[1], store, 1)
    async with asyncio.timeout(20):
        while str(pair[1].port) not in send_command(sentinel, "SENTINEL", "REPLICAS", "talk"):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    pair[0].kill()

    assert await writer.append(b"two") == 2
    assert await texts(store, "c") == ["one", "two"]
    assert send_command(pair[1].port, "ROLE").startswith("*3\r\n$6\r\nmaster")
    await store.aclose()


@pytest.mark.parametrize("url", ["sentinel://127.0.0.1:1", "sentinel:///talk", "sentinel://"])
def test_an_address_of_sentinels_names_them_and_the_service(url: str) -> None:
    with pytest.raises(ValueError, match="host:port,host:port/service"):
        connect(url)


@pytest.mark.cluster
async def test_a_cluster_fails_over_by_itself(tmp_path: Path) -> None:
    cluster = ValkeyCluster(available_binaries()[VALKEY], tmp_path, with_replica=True)
    try:
        cluster.start()
        # What a replica has confirmed cannot be lost; the other nodes have no replicas.
        store = connect(cluster.url, cluster=True, patience=20, socket_timeout=0.5)
        careful = connect(cluster.url, cluster=True, patience=20, socket_timeout=0.5, replication=Replication(1, 0.5))
        name = next(name for name in map(str, range(1000)) if on_first_node(store, name))
        await store.registry.create(name, agent="default", principal="ada", now=NOW)
        writer = await Writer.of(careful, name)
        await writer.append(b"one")
        writer.store = store
        cluster.nodes[0].kill()

        assert await writer.append(b"two") == 2
        assert await texts(store, name) == ["one", "two"]
        await store.aclose()
        await careful.aclose()
    finally:
        cluster.stop()


def on_first_node(store: Store, conversation_id: str) -> bool:
    return key_slot(store.keys.conversation(conversation_id).log.encode()) < SLOTS // SIZE

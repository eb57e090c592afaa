"""Synchronous replication: no change counts before the replicas have it, however often it has to be repeated."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from redis.asyncio import Redis

from store import Scope, Store, StoreUnavailable, connect
from store.client.replication import Replication
from store.keys import marker_beside
from store.records import Parent
from tests.servers.fixtures import VALKEY
from tests.servers.process import RedisServer, available_binaries
from tests.servers.proxy import Proxy
from tests.support.writer import NOW, Writer, texts

StartServer = Callable[..., RedisServer]
BOTH = Replication(1, 0.05)


@pytest.fixture
def binary() -> str:
    """The kind of server; tests that depend on it have it as a parameter."""
    return VALKEY


@pytest.fixture
def pair(own_server: StartServer, binary: str) -> tuple[RedisServer, RedisServer]:
    """A primary and its replica."""
    primary, replica = own_server(binary), own_server(binary, options=("--appendonly", "no"))
    replica.follow(primary)
    return primary, replica


@pytest.fixture
async def proxy(pair: tuple[RedisServer, RedisServer]) -> AsyncIterator[Proxy]:
    """The way to the primary."""
    async with Proxy(pair[0].port) as proxy:
        yield proxy


@pytest.fixture
async def careful(proxy: Proxy) -> AsyncIterator[Store]:
    """A store whose changes must be on both servers."""
    store = connect(proxy.url, patience=5, replication=BOTH)
    yield store
    await store.aclose()


@pytest.fixture
async def hasty(proxy: Proxy) -> AsyncIterator[Store]:
    """The same without patience."""
    store = connect(proxy.url, patience=0.1, replication=BOTH)
    yield store
    await store.aclose()


async def test_a_confirmed_change_is_on_the_replica(careful: Store, pair: tuple[RedisServer, RedisServer]) -> None:
    writer = await Writer.new(careful, "c")
    await writer.append(b"one", client_ids={"first": 1})
    pair[0].kill()

    survivor = connect(pair[1].url)
    pair[1].promote()
    assert await texts(survivor, "c") == ["one"]
    assert (await survivor.registry.get("c")).epoch == writer.claim.epoch
    assert await survivor.log.seq_of("c", "first") == 1
    await survivor.aclose()


@pytest.mark.parametrize("binary", available_binaries())
async def test_an_append_waits_for_its_replica_and_is_written_once(
    careful: Store, hasty: Store, proxy: Proxy, pair: tuple[RedisServer, RedisServer]
) -> None:
    primary, replica = pair
    writer = await Writer.new(careful, "c")
    await writer.append(b"one")
    with replica.paused():
        append = asyncio.create_task(writer.append(b"two"))
        async with Redis.from_url(primary.url) as look:
            while await look.xlen(careful.keys.conversation("c").log) < 2:  # noqa: ASYNC110 - another process writes
                await asyncio.sleep(0.002)
        # A repetition on another connection writes nothing, and must not count for that reason.
        proxy.cut()
        await asyncio.sleep(0.2)
        assert not append.done()
        for call in (hasty.log.claim("c"), hasty.registry.create("d", agent="a", principal="ada", now=NOW)):
            with pytest.raises(StoreUnavailable, match="0 of 1 replicas"):
                await call

    fenced = await asyncio.gather(append, return_exceptions=True)
    assert [type(error).__name__ for error in fenced] == ["Fenced"], "the claim above was made, though not confirmed"
    assert await texts(careful, "c") == ["one", "two"]


async def test_an_append_given_up_may_be_there(careful: Store, pair: tuple[RedisServer, RedisServer]) -> None:
    writer = await Writer.new(careful, "c")
    with pair[1].paused(), pytest.raises(StoreUnavailable):
        await writer.append(b"one", give_up=lambda: True)

    successor = await Writer.of(careful, "c")
    assert successor.last_seq == 1
    assert await successor.append(b"two") == 2


async def test_a_server_that_forgot_the_scripts_is_taught_again(
    careful: Store, pair: tuple[RedisServer, RedisServer]
) -> None:
    writer = await Writer.new(careful, "c")
    async with Redis.from_url(pair[0].url) as client:
        await client.script_flush()

    assert await writer.append(b"one") == 1


async def test_without_replicas_nothing_is_asked_for(own_server: StartServer) -> None:
    server = own_server()
    store = connect(server.url)
    writer = await Writer.new(store, "c")
    await writer.append(b"one")

    async with Redis.from_url(server.url) as client:
        assert "cmdstat_wait" not in await client.info("commandstats")
        assert await client.exists(marker_beside(store.keys.conversation("c").meta)) == 0
    await store.aclose()


async def test_more_replicas_than_there_are_never_confirm(careful: Store, proxy: Proxy) -> None:
    await Writer.new(careful, "c")
    greedy = connect(proxy.url, patience=0.1, replication=Replication(2, 0.02))
    with pytest.raises(StoreUnavailable, match="1 of 2 replicas"):
        await greedy.log.claim("c")
    await greedy.aclose()


async def test_every_change_that_must_not_be_lost_waits_for_replicas(
    careful: Store, hasty: Store, pair: tuple[RedisServer, RedisServer]
) -> None:
    await careful.registry.create("c", agent="a", principal="ada", now=NOW)
    with pair[1].paused():
        for change in (
            hasty.log.claim("c"),
            hasty.registry.create("d", agent="a", principal="ada", now=NOW),
            hasty.registry.create("e", agent="a", principal="ada", parent=Parent("c", "call", "c", 1, 1), now=NOW),
            hasty.registry.rename("c", "Title", NOW),
            hasty.files.write(Scope("user", "ada"), "a", b"", expected_version=None, now=NOW),
            hasty.registry.delete("c"),
        ):
            with pytest.raises(StoreUnavailable, match="0 of 1 replicas"):
                await change

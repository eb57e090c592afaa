"""A server that is up and refuses to write for a while: full, without its replicas, or a replica itself."""

import asyncio
from collections.abc import Callable

import pytest
from redis.asyncio import Redis

from store import StoreUnavailable, connect
from store.registries.lists import of_principal
from tests.servers.process import RedisServer, available_binaries
from tests.support.writer import NOW, Writer, texts

REFUSALS = {
    "full": (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0")),
    "without its replicas": (
        ("CONFIG", "SET", "min-replicas-to-write", "1"),
        ("CONFIG", "SET", "min-replicas-to-write", "0"),
    ),
    "a replica": (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE")),
}


@pytest.mark.parametrize("binary", available_binaries())
async def test_a_refused_change_is_written_once_the_server_takes_it(
    own_server: Callable[..., RedisServer], binary: str
) -> None:
    server = own_server(binary)
    store = connect(server.url, patience=0.05)
    writer = await Writer.new(store, "c")
    async with Redis.from_url(server.url) as operator:
        for number, (begin, end) in enumerate(REFUSALS.values(), 1):
            await operator.execute_command(*begin)
            changes = (
                writer.append(b"given up", give_up=lambda: True),
                store.log.claim("c"),
                store.registry.create(f"c{number}", agent="default", principal="ada", now=NOW),
                store.registry.rename("c", "Title", NOW),
            )
            answers = await asyncio.gather(*changes, return_exceptions=True)
            assert [type(answer) for answer in answers] == [StoreUnavailable] * len(changes)
            assert len(await texts(store, "c")) == number - 1, "reading goes on"
            insisting = asyncio.create_task(writer.append(b"%d" % number))
            await asyncio.sleep(0.02)
            assert not insisting.done()

            await operator.execute_command(*end)

            assert await insisting == number
    assert await texts(store, "c") == ["1", "2", "3"]
    await store.aclose()


@pytest.mark.parametrize("binary", available_binaries())
async def test_room_can_be_made_on_a_full_server(own_server: Callable[..., RedisServer], binary: str) -> None:
    server = own_server(binary)
    store = connect(server.url, patience=0.05)
    await Writer.new(store, "c")
    async with Redis.from_url(server.url) as operator:
        await operator.config_set("maxmemory", 1)
        await store.registry.delete("c")
        await operator.config_set("maxmemory", 0)

    assert await store.registry.list(of_principal("ada"), limit=5) == ([], None)
    await store.aclose()

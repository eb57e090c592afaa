"""Redis goes away and comes back: what was acknowledged is there, once, and service returns by itself."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis

from store import ConversationExists, Fenced, Store, StoreUnavailable, connect
from store.records import Losses
from store.registries.lists import of_principal
from tests.servers.process import RedisServer, available_binaries
from tests.servers.proxy import Proxy
from tests.support.writer import NOW, Writer, texts, until

StartServer = Callable[..., RedisServer]

# With `everysec` a killed server may lose what it acknowledged in the last two seconds.
SYNC = ("--appendfsync", "always")
IMPATIENT = 0.5
"""For calls that are expected to fail."""


@asynccontextmanager
async def opened(url: str, *, patience: float = 5.0) -> AsyncIterator[Store]:
    """A store that notices trouble quickly."""
    store = connect(url, patience=patience, socket_timeout=0.3, connect_timeout=0.3)
    try:
        yield store
    finally:
        await store.aclose()


@pytest.mark.parametrize("binary", available_binaries())
async def test_an_append_whose_answer_is_lost_is_written_once(own_server: StartServer, binary: str) -> None:
    server = own_server(binary)
    async with Proxy(server.port) as proxy, opened(proxy.url) as store, opened(server.url) as watcher:
        writer = await Writer.new(store, "c")
        await writer.append(b"the script is known now")
        async with watcher.subscriptions.subscribe("c") as subscription:
            proxy.lose_answer_to(b"EVALSHA")
            assert await writer.append(b"one", notice=b'{"n":1}', client_ids={"first": 2}) == 2
            assert await writer.append(b"two", notice=b'{"n":2}') == 3

            assert [await subscription.get(), await subscription.get()] == [{"n": 1}, {"n": 2}]

        assert proxy.lost_answers == 1
        assert await texts(store, "c") == ["the script is known now", "one", "two"]
        assert await store.log.seq_of("c", "first") == 2


async def test_a_writer_learns_that_it_was_fenced_while_it_was_cut_off(own_server: StartServer) -> None:
    server = own_server()
    async with Proxy(server.port) as proxy, opened(proxy.url) as store, opened(server.url) as rival:
        writer = await Writer.new(store, "c")
        await writer.append(b"the script is known now")
        proxy.lose_answer_to(b"EVALSHA")
        proxy.refusing = True
        append = asyncio.create_task(writer.append(b"written, but unheard"))
        await until(lambda: proxy.lost_answers == 1)

        successor = await Writer.of(rival, "c")
        proxy.refusing = False

        with pytest.raises(Fenced):
            await append
        assert successor.last_seq == 2
        assert await texts(rival, "c") == ["the script is known now", "written, but unheard"]


async def test_a_creation_whose_answer_is_lost_succeeds(own_server: StartServer) -> None:
    server = own_server()
    async with Proxy(server.port) as proxy, opened(proxy.url) as store:
        await Writer.new(store, "to teach the server the script")
        proxy.lose_answer_to(b"EVALSHA")

        created = await store.registry.create("c", agent="default", principal="ada", now=NOW)

        assert proxy.lost_answers == 1
        assert await store.registry.get("c") == created
        with pytest.raises(ConversationExists):
            await store.registry.create("c", agent="default", principal="ada", now=NOW)


async def test_a_claim_whose_answer_is_lost_still_gives_the_current_epoch(own_server: StartServer) -> None:
    server = own_server()
    async with Proxy(server.port) as proxy, opened(proxy.url) as store:
        first = await Writer.new(store, "c")
        proxy.lose_answer_to(b"EVALSHA")

        second = await Writer.of(store, "c")

        assert second.claim.epoch == (await store.registry.get("c")).epoch > first.claim.epoch
        assert await second.append(b"mine") == 1


async def test_a_claim_whose_answer_is_lost_takes_itself_for_no_writer_that_died(own_server: StartServer) -> None:
    server = own_server()
    async with Proxy(server.port) as proxy, opened(proxy.url) as store:
        first = await Writer.new(store, "c")
        await first.append(b"one", due_at=NOW)
        found = await store.registry.get("c")
        proxy.lose_answer_to(b"EVALSHA")

        claim = await store.log.claim("c", "conversation:c", current=found.epoch, alone=True)

        assert proxy.lost_answers == 1
        assert (claim.meta.lost, claim.meta.ended) == (Losses(), None)
        again = await store.log.claim("c", "conversation:c", alone=True)
        assert (again.meta.lost, again.meta.ended) == (Losses(1, last_by_itself=True), "crash")


async def test_an_append_outlasts_a_paused_server(own_server: StartServer) -> None:
    server = own_server()
    async with opened(server.url) as store:
        writer = await Writer.new(store, "c")
        with server.paused():
            append = asyncio.create_task(writer.append(b"one"))
            await asyncio.sleep(0.8)  # at least two attempts now wait in the server's sockets
            assert not append.done()

        assert await append == 1
        assert await writer.append(b"two") == 2
        assert await texts(store, "c") == ["one", "two"]


async def test_an_append_given_up_is_in_the_log_or_not_and_the_next_claim_knows(
    own_server: StartServer,
) -> None:
    server = own_server()
    async with opened(server.url) as store:
        writer = await Writer.new(store, "c")
        with server.paused(), pytest.raises(StoreUnavailable):
            await writer.append(b"one", give_up=lambda: True)

        successor = await Writer.of(store, "c")
        before = await texts(store, "c")
        await successor.append(b"next")

        assert await texts(store, "c") == [*before, "next"]
        assert successor.last_seq == len(before) + 1


async def test_acknowledged_records_survive_a_killed_server(own_server: StartServer) -> None:
    server = own_server(options=SYNC)
    async with opened(server.url) as store:
        writer = await Writer.new(store, "c")
        for number in range(50):
            await writer.append(b"%d" % number, due_at=NOW, client_ids={f"m{number}": number + 1})
        server.restart()

        assert await writer.append(b"50") == 51
        assert await texts(store, "c") == [str(number) for number in range(51)]
        assert await store.log.seq_of("c", "m49") == 50
        assert (await store.registry.get("c")).last_seq == 51


async def test_an_append_waits_for_a_server_that_is_down(own_server: StartServer) -> None:
    server = own_server(options=SYNC)
    async with opened(server.url) as store:
        writer = await Writer.new(store, "c")
        await writer.append(b"one")
        server.kill()
        append = asyncio.create_task(writer.append(b"two"))
        await asyncio.sleep(0.2)
        assert not append.done()

        server.start()

        assert await append == 2
        assert await texts(store, "c") == ["one", "two"]


async def test_without_a_server_calls_fail_in_time_and_work_again_later(own_server: StartServer) -> None:
    server = own_server(options=SYNC)
    async with opened(server.url, patience=IMPATIENT) as store:
        writer = await Writer.new(store, "c")
        server.kill()
        calls = (
            store.ping(),
            store.log.read("c"),
            store.log.claim("c"),
            store.registry.get("c"),
            store.registry.unfinished(NOW, 1),
            store.registry.create("d", agent="default", principal="ada", now=NOW),
            writer.append(b"x", give_up=lambda: True),
        )
        async with asyncio.timeout(5):
            answers = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(answer) for answer in answers] == [StoreUnavailable] * len(calls)

        server.start()
        await store.ping()
        assert await store.registry.get("c") == writer.claim.meta


async def test_a_server_that_forgot_the_scripts_is_taught_again(own_server: StartServer) -> None:
    server = own_server()
    async with opened(server.url) as store, Redis.from_url(server.url) as client:
        writer = await Writer.new(store, "c")
        await writer.append(b"one")
        await client.script_flush()

        assert await writer.append(b"two") == 2


async def test_a_full_server_refuses_until_it_has_room(own_server: StartServer) -> None:
    server = own_server()
    async with opened(server.url, patience=IMPATIENT) as store, Redis.from_url(server.url) as client:
        writer = await Writer.new(store, "c")
        await client.config_set("maxmemory", 1)
        with pytest.raises(StoreUnavailable, match="memory"):
            await writer.append(b"one", give_up=lambda: True)
        with pytest.raises(StoreUnavailable, match="memory"):
            await store.ping()
        append = asyncio.create_task(writer.append(b"one"))
        await asyncio.sleep(0.1)

        await client.config_set("maxmemory", 0)

        assert await append == 1


async def test_password_and_database_come_from_the_url(own_server: StartServer) -> None:
    server = own_server(options=("--requirepass", "geheim"))
    async with opened(f"redis://:geheim@127.0.0.1:{server.port}/3") as store:
        await Writer.new(store, "c")
    async with opened(f"redis://:geheim@127.0.0.1:{server.port}/0") as elsewhere:
        assert await elsewhere.registry.unfinished(NOW, 1) == []
        assert await elsewhere.registry.list(of_principal("ada"), limit=5) == ([], None)
    async with opened(f"redis://:wrong@127.0.0.1:{server.port}/3", patience=IMPATIENT) as stranger:
        with pytest.raises(StoreUnavailable, match=r"(?i)password"):
            await stranger.ping()


async def test_a_unix_socket_works(own_server: StartServer) -> None:
    socket = f"/tmp/raylogue-{NOW}-{id(own_server):x}.sock"  # a path must be short here
    own_server(options=("--unixsocket", socket))
    async with opened(f"unix://{socket}") as store:
        writer = await Writer.new(store, "c")
        async with store.subscriptions.subscribe("c") as subscription:
            await writer.append(b"one", notice=b"{}")

            assert await subscription.get() == {}

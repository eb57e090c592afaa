"""Redis in every kind of trouble while a turn runs: it stands still, tells no caller a lie, and goes on by itself."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from agents.errors import Superseded
from agents.turn.events import UserMsg
from store import StoreUnavailable, connect
from store.errors import Reconnected
from tests.servers.process import RedisServer, send_command
from tests.servers.proxy import Proxy
from tests.support.conversation_workbench import Bench, worker
from tests.support.conversations import World, ends, rest, results, say, until, watching

Trouble = Callable[["Place"], None]


class Place:
    """A primary and a replica behind one address."""

    def __init__(self, proxy: Proxy, primary: RedisServer, replica: RedisServer) -> None:
        self.proxy = proxy
        self.primary = primary
        self.replica = replica

    def order(self, *words: str) -> None:
        assert send_command(self.primary.port, *words).startswith("+OK")

    async def in_step(self, key: str, records: int) -> None:
        """Wait until the replica has so many records."""
        await until(lambda: send_command(self.replica.port, "XLEN", key) == f":{records}\r\n")


def hang_up(place: Place) -> None:
    place.proxy.refusing = True
    place.proxy.cut()


def accept_again(place: Place) -> None:
    place.proxy.refusing = False


def fail_over(place: Place) -> None:
    place.replica.promote()
    place.proxy.move(place.replica.port)


TROUBLES: dict[str, tuple[Trouble, Trouble]] = {
    "restart by SIGTERM": (lambda place: place.primary.terminate(), lambda place: place.primary.start()),
    "restart by SIGKILL": (lambda place: place.primary.kill(), lambda place: place.primary.start()),
    "pause": (lambda place: place.primary.pause(), lambda place: place.primary.resume()),
    "connections reset": (hang_up, accept_again),
    "failover": (lambda place: place.primary.kill(), fail_over),
    "out of memory": (
        lambda place: place.order("CONFIG", "SET", "maxmemory", "1"),
        lambda place: place.order("CONFIG", "SET", "maxmemory", "0"),
    ),
    "a replica": (
        lambda place: place.order("REPLICAOF", "127.0.0.1", str(place.replica.port)),
        lambda place: place.order("REPLICAOF", "NO", "ONE"),
    ),
    "without its replicas": (
        lambda place: place.order("CONFIG", "SET", "min-replicas-to-write", "2"),
        lambda place: place.order("CONFIG", "SET", "min-replicas-to-write", "0"),
    ),
}


@asynccontextmanager
async def troubled_world(own_server: Callable[..., RedisServer], prefix: str) -> AsyncIterator[tuple[World, Place]]:
    """A world behind a stable address; its checks at the end are made of the server that answers there then."""
    primary = own_server(options=("--appendfsync", "always"))
    replica = own_server(options=("--appendonly", "no"))
    replica.follow(primary)
    async with Proxy(primary.port) as proxy:
        world = World(proxy.url, prefix)
        yield world, Place(proxy, primary, replica)
        await world.close()


@pytest.mark.parametrize("name", TROUBLES)
async def test_a_turn_outlives(name: str, own_server: Callable[..., RedisServer], redis_prefix: str) -> None:
    begin, end = TROUBLES[name]
    async with troubled_world(own_server, redis_prefix) as (world, place):
        bench = Bench()
        conversation = await world.start(worker(bench.tool))
        async with watching(world.store) as watcher:
            await say(conversation, client_id="one")
            await bench.begun()
            await watcher.until("tool_call_started")
            logged = await world.log()
            await place.in_step(world.store.keys.conversation("c").log, len(logged))

            begin(place)
            impatient = connect(place.proxy.url, prefix=redis_prefix, patience=0.05, socket_timeout=0.2)
            with pytest.raises(StoreUnavailable):
                await impatient.log.claim("c")
            bench.finish.set()
            await until(lambda: not conversation._driver._effects._tools)
            assert conversation.inspect().state == "executing_tools", "it does not go on before the result is durable"
            assert conversation.inspect().last_seq == len(logged)
            await asyncio.to_thread(end, place)

            assert await rest(conversation) == "idle"
            with suppress(Reconnected):  # a watcher hears the end, or that it has to look
                await watcher.until("turn_completed")
        assert len(bench.runs) == 1
        assert results(await world.events()) == [("ok", "any done")]
        assert ends(await world.events()) == [("completed", None)]
        assert (await world.log())[: len(logged)] == logged
        assert (await say(conversation, client_id="one")).duplicate
        await impatient.aclose()


async def test_a_failover_that_loses_acknowledged_events(
    own_server: Callable[..., RedisServer], redis_prefix: str
) -> None:
    async with troubled_world(own_server, redis_prefix) as (world, place):
        bench = Bench()
        agent = worker(bench.tool)
        bench.finish.set()
        conversation = await world.start(agent)
        await say(conversation, "kept")
        await rest(conversation)
        kept = await world.log()
        await place.in_step(world.store.keys.conversation("c").log, len(kept))

        place.replica.promote()  # and hears no more
        await say(conversation, "lost")
        await rest(conversation)
        assert len(await world.log()) > len(kept)
        place.proxy.move(place.replica.port)
        place.primary.kill()

        with pytest.raises(Superseded):
            await say(conversation, "based on what is lost")
        assert conversation.gone.done()
        assert await world.log() == kept
        successor = await world.open(agent)
        await say(successor, "new")
        await rest(successor)

        log = await world.log()
        assert log[: len(kept)] == kept
        messages = [entry.event.content[0]["text"] for entry in log if isinstance(entry.event, UserMsg)]
        assert messages == ["kept", "new"]

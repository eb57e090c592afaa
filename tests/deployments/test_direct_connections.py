"""The two ends of direct connections over real sockets: who may call, what is carried, and what ends a connection."""

import asyncio
import pickle
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvloop

from agents.errors import Refused, Superseded
from agents.receipt import Receipt
from deployments.direct import caller, connection, listener
from deployments.direct.caller import CallFailed, HostConnection, open_connection
from deployments.direct.connection import LENGTH, MAGIC, MAX_FRAME_BYTES, BadFrame, ConnectionLost
from deployments.direct.listener import Caller, Listener
from deployments.routing.errors import NoRoom
from store import Store, connect
from store.registries.endpoints import Endpoint

ERRORS = {
    "full": NoRoom("host:1"),
    "superseded": Superseded("c"),
    "refused": Refused("turn_running", "A turn runs."),
    "missing": TypeError("got an unexpected keyword argument 'turn'"),
}


class Methods:
    """What a host does in these tests; `released` lets the calls of `wake` be answered."""

    def __init__(self) -> None:
        self.released = asyncio.Event()
        self.began = asyncio.Event()
        self.calls: list[object] = []

    async def send(self, key: str, size: int = 0, *, version: int = 0) -> Receipt:
        self.calls.append((key, size, version))
        if key in ERRORS:
            raise ERRORS[key]
        return Receipt(version, 1)

    async def cancel(self, size: int) -> bytes:
        return b"x" * size

    async def resolve(self) -> object:
        return lambda: None

    async def wake(self) -> str:
        self.began.set()
        await self.released.wait()
        return "awake"


@pytest.fixture
def methods() -> Methods:
    return Methods()


@asynccontextmanager
async def listening(store: Store, methods: Methods) -> AsyncIterator[tuple[Listener, Endpoint]]:
    """A listener on a real socket, and where it is."""
    names = {name: getattr(methods, name) for name in caller.METHODS}
    host = Listener(store, names)
    server = await asyncio.get_running_loop().create_server(lambda: Caller(host), "127.0.0.1", 0)
    try:
        yield host, Endpoint("127.0.0.1", server.sockets[0].getsockname()[1], host.secret)
    finally:
        server.close()
        await host.aclose()


@pytest.fixture
async def store(redis_url: str, redis_prefix: str) -> AsyncIterator[Store]:
    opened = connect(redis_url, prefix=redis_prefix)
    yield opened
    await opened.aclose()


@pytest.fixture
async def host(store: Store, methods: Methods) -> AsyncIterator[tuple[Listener, Endpoint]]:
    async with listening(store, methods) as found:
        yield found


@pytest.fixture
async def connected(host: tuple[Listener, Endpoint]) -> AsyncIterator[HostConnection]:
    opened = await open_connection(host[1], lambda: None)
    yield opened
    opened.abort()


async def test_calls_are_answered_each_with_its_own_answer(connected: HostConnection, methods: Methods) -> None:
    answers = await asyncio.gather(*(connected.call("send", "c", 7, version=number) for number in range(200)))
    assert [answer.seq for answer in answers] == list(range(200))
    assert methods.calls == [("c", 7, number) for number in range(200)]


@pytest.mark.parametrize("name", ERRORS)
async def test_an_error_of_the_method_keeps_its_type_and_its_arguments(connected: HostConnection, name: str) -> None:
    with pytest.raises(CallFailed) as failed:
        await connected.call("send", name)
    assert type(failed.value.cause) is type(ERRORS[name])
    assert failed.value.cause.args == ERRORS[name].args


async def test_a_slow_call_holds_no_other_one_up(connected: HostConnection, methods: Methods) -> None:
    slow = asyncio.create_task(connected.call("wake"))
    await methods.began.wait()
    assert (await connected.call("send", "c", version=1)).seq == 1
    methods.released.set()
    assert await slow == "awake"


async def test_a_caller_without_the_secret_is_refused(host: tuple[Listener, Endpoint], methods: Methods) -> None:
    listener_, endpoint = host
    with pytest.raises(ConnectionLost):
        await open_connection(Endpoint(endpoint.address, endpoint.port, b"guessed" * 5), lambda: None)
    assert methods.calls == []
    assert (await (await open_connection(endpoint, lambda: None)).call("send", "c", version=3)).seq == 3
    assert len(listener_.callers) == 1


async def test_a_host_without_the_secret_gets_no_call(store: Store, methods: Methods) -> None:
    async with listening(store, methods) as (stranger, endpoint):
        stranger.secret = b"another"
        with pytest.raises(ConnectionLost):
            await open_connection(endpoint, lambda: None)


@pytest.mark.parametrize(
    "first",
    [b"GET / HTTP/1.1\r\n\r\n", MAGIC + b"x" * 64, LENGTH.pack(5) + pickle.dumps(1)],
    ids=["http", "no proof", "a frame at once"],
)
async def test_a_stranger_is_disconnected(host: tuple[Listener, Endpoint], methods: Methods, first: bytes) -> None:
    reader, writer = await asyncio.open_connection(host[1].address, host[1].port)
    writer.write(first)
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await reader.readexactly(1000)
    assert methods.calls == []
    writer.close()


async def test_a_stranger_that_says_nothing_is_disconnected(
    host: tuple[Listener, Endpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "HANDSHAKE_SECONDS", 0.05)
    reader, writer = await asyncio.open_connection(host[1].address, host[1].port)
    hello = await reader.readexactly(len(MAGIC) + connection.NONCE_BYTES)
    assert hello.startswith(MAGIC)
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await reader.readexactly(1)
    writer.close()


async def test_a_call_that_is_too_large_is_not_sent_and_harms_no_other_one(connected: HostConnection) -> None:
    with pytest.raises(BadFrame):
        await connected.call("send", "x" * (MAX_FRAME_BYTES + 1))
    assert (await connected.call("send", "c", version=4)).seq == 4


async def test_a_frame_that_is_too_large_ends_its_connection(connected: HostConnection, methods: Methods) -> None:
    connected.write(LENGTH.pack(MAX_FRAME_BYTES + 1))
    with pytest.raises(ConnectionLost):
        await connected.call("wake")
    assert methods.calls == []


async def test_an_answer_that_cannot_be_sent_is_an_error(connected: HostConnection) -> None:
    for call in (connected.call("resolve"), connected.call("cancel", MAX_FRAME_BYTES + 1)):
        with pytest.raises(CallFailed, match="cannot be sent"):
            await call
    assert len(await connected.call("cancel", 1_000_000)) == 1_000_000


async def test_a_method_that_is_not_called_directly_ends_the_connection(connected: HostConnection) -> None:
    with pytest.raises(ConnectionLost):
        await connected.call("exit")


async def test_a_host_that_ends_answers_what_is_under_way(host: tuple[Listener, Endpoint], methods: Methods) -> None:
    ended = asyncio.Event()
    connected = await open_connection(host[1], ended.set)
    call = asyncio.create_task(connected.call("wake"))
    await methods.began.wait()
    ending = asyncio.create_task(host[0].aclose())
    methods.released.set()
    assert await call == "awake"
    await ending
    await ended.wait()
    with pytest.raises(ConnectionLost):
        await connected.call("send", "c")


async def test_only_so_many_processes_are_connected(
    host: tuple[Listener, Endpoint], connected: HostConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "MAX_CONNECTIONS", 1)
    with pytest.raises(ConnectionLost):
        await open_connection(host[1], lambda: None)
    assert (await connected.call("send", "c", version=5)).seq == 5


async def test_a_connection_with_too_many_calls_under_way_has_no_room(
    connected: HostConnection, methods: Methods, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caller, "MAX_CALLS", 2)
    calls = [asyncio.create_task(connected.call("wake")) for _ in range(2)]
    await methods.began.wait()
    assert not connected.has_room
    methods.released.set()
    await asyncio.gather(*calls)
    assert connected.has_room


def test_both_ends_work_on_the_event_loop_that_ray_uses(redis_url: str, redis_prefix: str) -> None:
    async def call() -> Receipt:
        store = connect(redis_url, prefix=redis_prefix)
        async with listening(store, Methods()) as (_, endpoint):
            opened = await open_connection(endpoint, lambda: None)
            answer: Receipt = await opened.call("send", "c", version=6)
        await store.aclose()
        return answer

    assert uvloop.run(call()) == Receipt(6, 1)


async def test_an_endpoint_is_known_until_its_host_takes_it_back(store: Store) -> None:
    endpoint = Endpoint("10.0.0.1", 4711, b"\x00secret")
    assert await store.endpoints.get("ab12") is None
    await store.endpoints.announce("ab12", endpoint)
    assert await store.endpoints.get("ab12") == endpoint
    await store.endpoints.forget("ab12")
    assert await store.endpoints.get("ab12") is None

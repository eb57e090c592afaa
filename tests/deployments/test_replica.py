"""What a replica does without any conversation: it bounds what it holds, says why a stream cannot begin, and drains.

One application without a cluster, behind a real server.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import orjson
import pytest
import uvicorn

from agents.clock import now_ms
from agents.codec import encode
from agents.turn.events import UserMsg
from deployments.background import host_supply
from deployments.background.host_supply import HostSupply
from deployments.host.actor import open_door
from deployments.ingress.application import http_application
from deployments.ingress.dependencies import Dependencies
from deployments.ingress.limits import ReplicaLimits
from deployments.ingress.streams.draining import Draining
from deployments.process.agents import catalog
from deployments.process.store import connect_store
from deployments.settings import Settings
from store import ConversationNotFound, Store
from tests.deployments.test_problems import check_problem
from tests.support.api import EVENTS, eventually

LARGE = 1_000_000
ROOM = 3


@pytest.fixture
def settings(redis_url: str, redis_prefix: str, tmp_path: Path) -> Settings:
    return Settings(
        redis_url=redis_url,
        prefix=redis_prefix,
        archive_url=str(tmp_path / "archive"),
        archive_keep_events=1,
        replica_answer_bytes=ROOM * (LARGE + 1000),
        replica_messages=ROOM,
    )


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[Store]:
    store = connect_store(settings)
    store.archive.segment_events = 2
    yield store
    with suppress(ConversationNotFound):
        await store.registry.delete("c")
    await store.aclose()


@pytest.fixture
def draining() -> Draining:
    return Draining()


@pytest.fixture
def no_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The replica's time to wait for its first hosts is over, as it is where no node can start one."""
    monkeypatch.setattr(host_supply, "READY_SECONDS", -1.0)


@pytest.fixture
async def http(settings: Settings, store: Store, draining: Draining) -> AsyncIterator[httpx.AsyncClient]:
    """Requests to the application."""
    agents, app = catalog(settings), http_application()
    door = open_door(settings, store, agents)
    supply = HostSupply(store, door)
    app.state.dependencies = Dependencies(settings, agents, store, door, ReplicaLimits(settings), draining, supply)
    async with (
        serving(uvicorn.Config(app, lifespan="off", log_level="error")) as url,
        httpx.AsyncClient(base_url=url, timeout=30) as client,
    ):
        yield client


@asynccontextmanager
async def serving(config: uvicorn.Config) -> AsyncIterator[str]:
    server = uvicorn.Server(config)
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)  # else the kernel takes megabytes from us
    task = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = server.force_exit = True
        await task


async def written(store: Store, *words: str) -> tuple[str, int]:
    """Write a log of such messages; its writer."""
    await store.registry.create("c", agent="assistant", principal="local", now=now_ms())
    claim = await store.log.claim("c")
    messages = [UserMsg(turn=1, content=[{"type": "text", "text": text}], step=1) for text in words]
    state = orjson.dumps({"state": "idle", "pending": {}, "last_seq": len(words)})
    records = [orjson.dumps(encode(message, now_ms())) for message in messages]
    await store.log.append(claim, records, expected_last_seq=0, state=state, due_at=None, now=now_ms())
    return "c", claim.epoch


async def test_readers_who_do_not_read_keep_a_bounded_number_of_pages(http: httpx.AsyncClient, store: Store) -> None:
    await written(store, "x" * LARGE, "little")
    address = "/v1/conversations/c/events"
    whole = await http.get(address)
    assert [event["seq"] for event in whole.json()["events"]] == [1, 2]
    assert int(whole.headers["content-length"]) == len(whole.content) > LARGE

    stuck = [await ask_without_reading(http, address) for _ in range(ROOM)]
    check_problem(await http.get(address), 503, "overloaded")
    assert (await http.get(address, params={"after": 1})).status_code == 200, "a small one is answered"
    for writer in stuck:
        writer.close()

    async def given_back() -> bool:
        return (await http.get(address)).status_code == 200

    await eventually(given_back)


async def ask_without_reading(http: httpx.AsyncClient, address: str) -> asyncio.StreamWriter:
    """A reader with the smallest buffers, who reads the first line and stops."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect((http.base_url.host, http.base_url.port or 80))
    reader, writer = await asyncio.open_connection(sock=connection, limit=4096)
    writer.write(f"GET {address} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    assert b"200" in await reader.readuntil(b"\r\n")
    return writer


async def test_a_stream_that_cannot_begin_says_why(http: httpx.AsyncClient, store: Store, tmp_path: Path) -> None:
    writer = await written(store, "one", "two", "three")
    assert await store.log.move_to_archive(writer, 0, 2) == 2
    place = tmp_path / "archive"
    place.rename(tmp_path / "unmounted")
    address = "/v1/conversations/c/events"
    try:
        for after in (0, 1, 9):  # there is no event 9 yet: that id is ignored
            answer = await http.get(address, headers={**EVENTS, "Last-Event-ID": str(after)})
            check_problem(answer, 503, "archive_unavailable")
        with suppress(httpx.ReadTimeout):  # a stream that begins in the log never ends
            await http.get(address, headers={**EVENTS, "Last-Event-ID": "2"}, timeout=0.5)
            raise AssertionError("the stream has ended")
    finally:
        (tmp_path / "unmounted").rename(place)
    [segment] = (place / "c").iterdir()
    segment.write_bytes(b"spoilt")
    check_problem(await http.get(address, headers=EVENTS), 500, "archive_damaged")


async def test_messages_that_do_not_arrive_keep_a_bounded_number_of_places(http: httpx.AsyncClient) -> None:
    address = "/v1/conversations/nowhere/messages"
    slow = [await begin_to_say(http, address) for _ in range(ROOM)]

    async def refused() -> bool:
        if (await http.post(address, json={"text": "hello"})).status_code == 503:
            return True
        slow.append(await begin_to_say(http, address))  # one of the first may have been refused for this very question
        return False

    await eventually(refused)
    check_problem(await http.post(address, json={"text": "hello"}), 503, "overloaded")
    for writer in slow:
        writer.close()

    async def looked_for() -> bool:
        return (await http.post(address, json={"text": "hello"})).status_code == 404

    await eventually(looked_for)


async def begin_to_say(http: httpx.AsyncClient, address: str) -> asyncio.StreamWriter:
    """A message of which only the beginning comes."""
    _, writer = await asyncio.open_connection(http.base_url.host, http.base_url.port)
    head = (
        f"POST {address} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"
    )
    writer.write(head.encode() + b'{"text": "')
    await writer.drain()
    return writer


async def test_a_replica_whose_hosts_do_not_answer_yet_is_not_ready(http: httpx.AsyncClient) -> None:
    check_problem(await http.get("/readyz"), 503, "hosts_starting")
    assert (await http.get("/healthz")).status_code == 200


@pytest.mark.usefixtures("no_hosts")
async def test_a_replica_that_goes_is_not_ready_and_answers_all_the_same(
    http: httpx.AsyncClient, store: Store, draining: Draining
) -> None:
    await written(store, "one")
    assert (await http.get("/readyz")).status_code == 200
    draining.begin()
    check_problem(await http.get("/readyz"), 503, "replica_draining")
    assert (await http.get("/healthz")).status_code == 200
    assert (await http.get("/v1/conversations/c")).status_code == 200
    stream = await http.get("/v1/conversations/c/events", headers=EVENTS)
    assert stream.text.endswith('event: reconnect\nretry: 100\ndata: {"type":"reconnect"}\n\n')
    assert "id: 1\n" in stream.text

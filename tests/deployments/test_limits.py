"""A service with small limits: a request too many is refused and leaves nothing behind, accepted work is finished."""

import asyncio
import socket
import subprocess
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, suppress

import orjson
import psutil
import pytest

from agents.clock import now_ms
from agents.codec import encode
from agents.turn.events import TurnEnded, UserMsg
from store import Store
from tests.cli.conftest import RAYLOGUE, clean_environment
from tests.deployments.test_problems import check_problem
from tests.support.api import EVENTS, Api, eventually
from tests.support.service import RunningService
from tests.support.service_agents import Ledger

pytestmark = pytest.mark.ray

CONVERSATIONS, TURNS, STREAMS = 3, 2, 30
BODIES = 1_000_000
DIRECT_PORTS = range(30_000, 31_001)
LIMITS = {
    "RAYLOGUE_NODE_CONVERSATIONS": str(CONVERSATIONS),
    "RAYLOGUE_HOST_TURNS": str(TURNS),
    "RAYLOGUE_REPLICA_STREAMS": str(STREAMS),
    "RAYLOGUE_REPLICA_BODY_BYTES": str(BODIES),
    "RAYLOGUE_MAX_REPLICAS": "2",
    "RAYLOGUE_TARGET_REQUESTS": "25",
    "RAYLOGUE_UPSCALE_SECONDS": "1",
    "RAYLOGUE_DOWNSCALE_SECONDS": "1",
    "RAY_SERVE_HAPROXY_TIMEOUT_CLIENT_S": "2",
    # Serve waits until load balancers know of a replica that stops; HAProxy knows at once.
    "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "0.5",
}


@pytest.fixture
def placement() -> str:
    """These are limits of shared hosts."""
    return "shared"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service of its own: the run's service has room for all tests."""
    directory = tmp_path_factory.mktemp("limits")
    with RunningService(directory, agents="tests.support.service_agents:catalog", env=LIMITS) as running:
        yield running


@pytest.fixture
async def start_waiting_turn(api: Api, ledger: Ledger) -> Callable[[], Awaitable[str]]:
    """Begins a turn that ends when its gate opens; returns the conversation's id."""

    async def begin() -> str:
        conversation_id = await api.create("worker")
        await api.send(conversation_id, "wait: here")
        await eventually(lambda: started(ledger, conversation_id))
        return conversation_id

    return begin


async def started(ledger: Ledger, conversation_id: str) -> bool:
    return bool(ledger.read(conversation_id))


async def test_a_turn_too_many_is_refused_until_there_is_room(
    api: Api, ledger: Ledger, start_waiting_turn: Callable[[], Awaitable[str]]
) -> None:
    running = [await start_waiting_turn() for _ in range(TURNS)]
    waiting = await api.create()
    check_problem(await api.post(waiting, "messages", {"text": "and I"}), 429, "too_many_turns")
    assert (await api.show(waiting))["last_seq"] == 0
    # A message to a turn that runs is accepted, and so is a message that was accepted before.
    assert (await api.post(running[0], "messages", {"text": "later", "on_busy": "queue"})).status_code == 202
    sent = {"text": "more", "on_busy": "queue", "client_id": "once"}
    first, again = [await api.post(running[1], "messages", sent) for _ in range(2)]
    assert again.json() == {**first.json(), "duplicate": True}
    command = [RAYLOGUE, "send", "and I", "--conversation", waiting, "--url", str(api.http.base_url)]
    patient = subprocess.Popen(command, env=clean_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    check_problem(await api.post(waiting, "messages", {"text": "still not"}), 429, "too_many_turns")
    for conversation_id in running:
        ledger.open_gate(conversation_id)
    said, notes = await asyncio.to_thread(patient.communicate)
    assert patient.returncode == 0, notes
    assert b"and I" in said
    assert len([event for event in await api.rest(waiting) if event["type"] == "user_msg"]) == 1
    for conversation_id in running:
        await api.rest(conversation_id, turns=2)


async def test_accepted_work_finds_room_where_new_messages_do_not(api: Api, ledger: Ledger) -> None:
    boss = await api.create("chief")
    await api.send(boss, "wait: one\nwait: two")
    children: list[str] = []

    async def working() -> bool:
        found = (await api.http.get(f"/v1/conversations/{boss}/children")).json()["conversations"]
        children[:] = [child["id"] for child in found]
        return len(children) == 2 and all(ledger.read(child) for child in children)

    await eventually(working)
    late = await api.create()
    check_problem(await api.post(late, "messages", {"text": "hello"}), 503, "cluster_full")
    assert (await api.show(late))["last_seq"] == 0
    for child in children:
        ledger.open_gate(child)
    assert (await api.rest(boss))[-1]["outcome"] == "completed"
    # Conversations at rest make room for it.
    await api.turn(late, "hello")


async def test_of_many_messages_at_once_the_accepted_are_answered_and_the_refused_not_logged(
    api: Api,
) -> None:
    conversations = [await api.create() for _ in range(12)]
    answers: Counter[int] = Counter()

    async def send_until_accepted(conversation_id: str, number: int) -> None:
        """Send the same message until it is accepted, as our own clients do."""
        body = {"text": f"message {number}", "client_id": f"c{number}", "on_busy": "queue"}
        while True:
            answer = await api.post(conversation_id, "messages", body)
            answers[answer.status_code] += 1
            if answer.status_code == 202:
                return
            assert int(answer.headers["retry-after"]) > 0
            logged = await api.log(conversation_id)
            assert not any(event.get("client_id") == f"c{number}" for event in logged)
            await asyncio.sleep(0.05)

    await asyncio.gather(*(send_until_accepted(key, number) for key in conversations for number in range(2)))
    assert answers[202] == 24
    assert answers[429] + answers[503] == answers.total() - 24 > 0
    for conversation_id in conversations:

        async def at_rest(conversation_id: str = conversation_id) -> bool:
            return (await api.show(conversation_id))["state"] == "idle"

        await eventually(at_rest)
        log = await api.log(conversation_id)
        said = [event["client_id"] for event in log if event["type"] == "user_msg"]
        assert sorted(said) == ["c0", "c1"]
        assert log[-1]["type"] == "turn_ended"
        assert {event["outcome"] for event in log if event["type"] == "turn_ended"} == {"completed"}


async def test_the_bodies_of_all_requests_together_are_bounded(api: Api) -> None:
    conversation_id = await api.create()
    half, rest = b'{"text": "' + b"x" * 150_000, b"y" * 50_000 + b'", "on_busy": "queue"}'
    uploads = [await upload(api, conversation_id, half, len(half + rest)) for _ in range(4 * BODIES // len(half))]
    answers = [asyncio.create_task(status(reader)) for reader, _ in uploads]
    fitting = BODIES // len(half)

    async def only_what_fits() -> bool:
        return sum(not answer.done() for answer in answers) == fitting

    await eventually(only_what_fits)
    assert {answer.result() for answer in answers if answer.done()} == {503}
    check_problem(await api.post(conversation_id, "messages", {"text": "x" * 150_000}), 503, "overloaded")
    assert (await api.show(conversation_id))["last_seq"] == 0
    waiting = [number for number, answer in enumerate(answers) if not answer.done()]
    for number in waiting[:-1]:
        uploads[number][1].write(rest)
        assert await answers[number] == 202
    for _, writer in uploads:  # the last one is never finished
        writer.close()
    answers[waiting[-1]].cancel()

    async def is_all_released() -> bool:
        body = {"text": "x" * 200_000, "on_busy": "queue"}
        answers = await asyncio.gather(*(api.post(conversation_id, "messages", body) for _ in range(4)))
        return {answer.status_code for answer in answers} == {202}

    await eventually(is_all_released)


async def upload(
    api: Api, conversation_id: str, sent: bytes, length: int
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A message of `length` bytes of which only these are sent."""
    reader, writer = await asyncio.open_connection(api.http.base_url.host, api.http.base_url.port)
    head = (
        f"POST /v1/conversations/{conversation_id}/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n"
    )
    writer.write(head.encode() + b"Content-Type: application/json\r\n\r\n" + sent)
    await writer.drain()
    return reader, writer


async def status(reader: asyncio.StreamReader) -> int:
    return int((await reader.readuntil(b"\r\n")).split()[1])


async def test_clients_that_do_not_read_hold_a_bounded_amount(api: Api, store: Store, service: RunningService) -> None:
    conversation_id = await api.create()
    size, count = 250_000, 40
    claim = await store.log.claim(conversation_id)
    long = [UserMsg(turn=1, content=[{"type": "text", "text": "x" * size}], step=1) for _ in range(count)]
    now, events = now_ms(), [*long, TurnEnded(turn=1, outcome="completed")]
    state = orjson.dumps({"state": "idle", "pending": {}, "last_seq": len(events)})
    records = [orjson.dumps(encode(event, now)) for event in events]
    await store.log.append(claim, records, expected_last_seq=0, state=state, due_at=None, now=now)
    [(_, process)] = replicas(service).items()
    before = process.memory_info().rss
    stuck = [await watch_without_reading(api, conversation_id) for _ in range(STREAMS - 10)]
    for _ in range(2):  # other clients are served meanwhile
        async with api.watching(conversation_id) as stream:
            await stream.until("turn_ended")
    assert process.memory_info().rss - before < len(stuck) * 8 * size < len(stuck) * count * size / 4
    # Nor do they hold it for long: a client that reads nothing loses its stream.

    async def has_no_watchers() -> bool:
        return await store.live.watchers(conversation_id) == 0

    await eventually(has_no_watchers)
    for writer in stuck:
        writer.close()


async def test_a_stream_too_many_is_refused_until_another_replica_takes_it(
    api: Api, ledger: Ledger, service: RunningService
) -> None:
    conversation_id = await api.create()
    async with AsyncExitStack() as watchers:
        for _ in range(STREAMS):
            await watchers.enter_async_context(api.watching(conversation_id))
        address = f"/v1/conversations/{conversation_id}"
        check_problem(await api.http.get(f"{address}/events", headers=EVENTS), 503, "too_many_streams")
        speaking = await api.http.post(f"{address}/messages", json={"text": "hello"}, headers=EVENTS)
        check_problem(speaking, 503, "too_many_streams")
        assert (await api.show(conversation_id))["last_seq"] == 0
        await api.send(conversation_id, "without a stream")

        async def taken() -> bool:
            async with api.http.stream("GET", f"{address}/events", headers=EVENTS) as response:
                return response.status_code == 200

        await eventually(taken)
        one, other = (Api(f"http://127.0.0.1:{port}", "shared") for port in replicas(service))
        await check_two_replicas(one, other, ledger, service)
        await one.http.aclose()
        await other.http.aclose()

    async def alone() -> bool:
        return len(replicas(service)) == 1

    await eventually(alone)
    await api.turn(conversation_id, "hello again")


async def check_two_replicas(one: Api, other: Api, ledger: Ledger, service: RunningService) -> None:
    """Check that both replicas serve the same conversations."""
    for near, far in ((one, other), (other, one)):
        conversation_id = await near.create("worker")
        await far.send(conversation_id, "wait: here")
        await eventually(lambda here=conversation_id: started(ledger, here))
        assert (await near.post(conversation_id, "messages", {"text": "me too"})).status_code == 409
        assert (await near.post(conversation_id, "cancel")).status_code == 202
        assert (await far.rest(conversation_id))[-1]["outcome"] == "cancelled"
    # Both replicas look for turns without an owner; such a turn is resumed once.
    conversation_id = await one.create("worker")
    await other.send(conversation_id, "wait: here")
    await eventually(lambda: started(ledger, conversation_id))
    for host in [process for process in service.processes() if process.name().startswith("ray::Host")]:
        host.kill()

    async def twice() -> bool:
        return len(ledger.read(conversation_id)) >= 2

    await eventually(twice)
    ledger.open_gate(conversation_id)
    assert (await one.rest(conversation_id))[-1]["outcome"] == "completed"
    assert [deed for _, deed in ledger.read(conversation_id)] == ["started", "started", "done"]


def replicas(service: RunningService) -> dict[int, psutil.Process]:
    """The replicas that listen, by their ports."""
    found = {}
    for process in service.processes():
        with suppress(psutil.Error):
            if "ServeReplica:raylogue:ingress" in " ".join(process.cmdline()):
                listening = [c.laddr.port for c in process.net_connections("tcp") if c.status == psutil.CONN_LISTEN]
                found.update({port: process for port in listening if port in DIRECT_PORTS})
    return found


async def watch_without_reading(api: Api, conversation_id: str) -> asyncio.StreamWriter:
    """A watcher with the smallest buffers, which reads the first line and no more."""
    connection = socket.create_connection((api.http.base_url.host, api.http.base_url.port or 80))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    reader, writer = await asyncio.open_connection(sock=connection, limit=4096)
    address = f"/v1/conversations/{conversation_id}/events"
    head = f"GET {address} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"
    writer.write(head.encode())
    assert await status(reader) == 200
    return writer

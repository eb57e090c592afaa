"""SIGKILL of the only replica, and of the proxy that takes its requests: clients know every answer, and lose no row."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress

import httpx
import psutil
import pytest

from tests.deployments.test_haproxy import check_own_problem
from tests.support.api import EVENTS, Api, Event, Stream, canonical, eventually
from tests.support.service import RunningService

pytestmark = pytest.mark.ray

REPLICA, FALLBACK = "ray::ServeReplica:raylogue:ingress", "ray::ProxyActor"
ASKING = 8
"""How many clients ask at the same time."""
WATCHING = 10
"""How many clients watch at the same time."""
MAX_SILENT = 300
"""How many answers HAProxy may give in its own name until the replica gives one."""


@pytest.fixture(scope="module")
def own_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """With a single replica, which the tests kill."""
    with RunningService(
        tmp_path_factory.mktemp("service"),
        agents="tests.support.service_agents:catalog",
        env={"RAYLOGUE_MIN_REPLICAS": "1", "RAYLOGUE_MAX_REPLICAS": "1"},
    ) as running:
        yield running


@pytest.fixture
async def person(own_service: RunningService) -> AsyncIterator[Api]:
    api = Api(own_service.url, "shared")
    yield api
    for conversation_id in api.created:
        await api.http.delete(f"/v1/conversations/{conversation_id}")
    await api.http.aclose()


async def test_the_only_replica_dies_under_requests(own_service: RunningService, person: Api) -> None:
    conversation_id = await person.create()
    answers: list[httpx.Response] = []
    over = asyncio.Event()
    clients = [
        asyncio.create_task(ask(own_service.url, conversation_id, number, answers, over)) for number in range(ASKING)
    ]

    async def all_answered() -> bool:
        return len(answers) > 2 * ASKING

    await eventually(all_answered)
    before = len(answers)
    kill(own_service, REPLICA)

    async def answered_again() -> bool:
        return sum(answer.is_success for answer in answers[before + ASKING :]) > 2 * ASKING

    await eventually(answered_again)
    over.set()
    await asyncio.gather(*clients)
    refused = [answer for answer in answers if not answer.is_success]
    for answer in refused:
        assert (answer.headers["content-type"], "retry-after" in answer.headers) == ("application/problem+json", True)
    for answer in refused:
        if "instance" not in answer.json():  # HAProxy has answered itself
            check_own_problem(answer)
    log = await person.log(conversation_id)
    sent = [event["client_id"] for event in log if event["type"] == "user_msg"]
    assert len(sent) == len(set(sent)), "a message that was sent again is in the log once"


async def test_the_fallback_dies_under_streams(own_service: RunningService, person: Api) -> None:
    conversation_id = await person.create()
    seen: list[list[Event]] = [[] for _ in range(WATCHING)]
    watchers = [asyncio.create_task(watch(own_service.url, conversation_id, rows)) for rows in seen]

    async def say(client_id: str) -> None:
        """Everyone sees the turn, whatever has died."""

        async def is_accepted() -> bool:
            message = {"text": "hello", "client_id": client_id}
            return (await person.post(conversation_id, "messages", message)).is_success

        async def is_seen() -> bool:
            return all(rows == log for rows in seen)

        await eventually(is_accepted)
        log = await person.rest(conversation_id, turns=int(client_id))
        await eventually(is_seen)

    await say("1")
    kill(own_service, REPLICA)
    await say("2")
    [fallback] = named(own_service, FALLBACK)
    assert len(fallback.net_connections()) > WATCHING, "the streams pass it"
    async with beating(person.http) as heartbeats:
        fallback.kill()
        await say("3")
    assert heartbeats.longest_silence < MAX_SILENT
    assert heartbeats.answers > 0
    for watcher in watchers:
        watcher.cancel()
    await asyncio.gather(*watchers, return_exceptions=True)


class Heartbeats:
    """How often the replica has answered, and how often at most HAProxy has in between."""

    def __init__(self) -> None:
        self.answers = 0
        self.longest_silence = 0
        self._silence = 0

    def note_replica(self, response: httpx.Response) -> None:
        self.answers += response.is_success
        self._silence = 0

    def note_haproxy(self, response: httpx.Response) -> None:
        self._silence += response.is_success
        self.longest_silence = max(self.longest_silence, self._silence)


@asynccontextmanager
async def beating(http: httpx.AsyncClient) -> AsyncIterator[Heartbeats]:
    """Ask the replica and HAProxy itself all the time: the one is the clock for the other."""
    heartbeats = Heartbeats()

    async def beat(path: str, note: Callable[[httpx.Response], None]) -> None:
        while True:
            note(await http.get(path))
            await asyncio.sleep(0.01)

    tasks = [
        asyncio.create_task(beat("/healthz", heartbeats.note_replica)),
        asyncio.create_task(beat("/-/healthz", heartbeats.note_haproxy)),
    ]
    try:
        yield heartbeats
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(error, asyncio.CancelledError) for error in ended), ended


async def watch(url: str, conversation_id: str, rows: list[Event]) -> None:
    """Watch for ever, each time from the last row that has come."""
    address = f"/v1/conversations/{conversation_id}/events"
    async with httpx.AsyncClient(base_url=url, timeout=60) as http:
        while True:
            headers = {**EVENTS, "Last-Event-ID": str(rows[-1]["seq"] if rows else 0)}
            with suppress(httpx.HTTPError):
                async with http.stream("GET", address, headers=headers) as response:
                    if response.is_success:
                        async for event in Stream(response).events():
                            rows.extend(canonical([event]))
            await asyncio.sleep(0.05)


async def ask(url: str, conversation_id: str, number: int, answers: list[httpx.Response], over: asyncio.Event) -> None:
    """Read, write and begin streams without a pause; an event stream that is cut in the middle is no answer."""
    async with httpx.AsyncClient(base_url=url, timeout=60) as http:
        address, count = f"/v1/conversations/{conversation_id}", 0
        while not over.is_set():
            count += 1
            answers.append(await http.get(address))
            message = {"text": "hello", "client_id": f"m{number}-{count}", "on_busy": "queue"}
            answers.append(await http.post(f"{address}/messages", json=message))
            with suppress(httpx.RemoteProtocolError):
                async with http.stream("GET", f"{address}/events", headers=EVENTS) as response:
                    if not response.is_success:
                        await response.aread()
                    else:
                        await anext(response.aiter_lines())
                    answers.append(response)


def named(service: RunningService, name: str) -> list[psutil.Process]:
    """The service's processes whose command line begins with `name`."""
    found = []
    for process in service.processes():
        with suppress(psutil.Error):
            if " ".join(process.cmdline()).startswith(name):
                found.append(process)
    return found


def kill(service: RunningService, name: str) -> psutil.Process:
    """SIGKILL the only process of that name."""
    [process] = named(service, name)
    process.kill()
    process.wait()
    return process

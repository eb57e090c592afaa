"""New code for a running service: people notice a pause at most, and nothing of the old code stays."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
import ray

from store import Store
from tests.deployments.conftest import check_conversation
from tests.support.api import Api, Event, Stream, canonical, eventually
from tests.support.code_versions import redeploy
from tests.support.service import RunningService
from tests.support.service_agents import Ledger

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def replaced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service of its own: the other tests need theirs to keep its code."""
    directory = tmp_path_factory.mktemp("replaced")
    with RunningService(directory, agents="tests.support.code_versions:first") as service, service.connected_ray():
        yield service


@asynccontextmanager
async def asking(api: Api, conversation_id: str) -> AsyncIterator[list[int]]:
    """A client that asks all the time on connections that are kept alive; the statuses of the answers."""
    statuses: list[int] = []

    async def ask_again() -> None:
        while True:
            statuses.append((await api.http.get(f"/v1/conversations/{conversation_id}")).status_code)
            await asyncio.sleep(0.01)

    task = asyncio.create_task(ask_again())
    try:
        yield statuses
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def arriving(service: RunningService, store: Store) -> AsyncIterator[dict[str, bool]]:
    """One new person after another, in shared hosts; whether the host had answered before, by conversation."""
    had_answered: dict[str, bool] = {}
    api = Api(service.url, "shared")

    async def arrive() -> None:
        while True:
            answering = await store.hosts.loads()
            conversation_id = await api.create()
            await api.send(conversation_id, "hello", client_id="m1")
            await api.rest(conversation_id)
            had_answered[conversation_id] = (await store.registry.get(conversation_id)).place in answering

    task = asyncio.create_task(arrive())
    try:
        yield had_answered
    finally:
        task.cancel()
        [ended] = await asyncio.gather(task, return_exceptions=True)
        await api.http.aclose()
    assert isinstance(ended, asyncio.CancelledError), ended


def said(log: list[Event]) -> list[str]:
    return [
        block["text"]
        for event in log
        if event["type"] == "assistant_msg"
        for block in event["content"][:1]
        if block["type"] == "text"
    ]


async def read_until_reconnect(stream: Stream) -> list[Event]:
    """Read to the end, which must be the order to connect again."""
    events = [event async for event in stream.events()]
    assert events[-1]["type"] == "reconnect", events
    return events[:-1]


def hosts() -> set[str]:
    return {
        found["name"] for found in ray.util.list_named_actors(all_namespaces=True) if found["namespace"] == "raylogue"
    }


@pytest.fixture(scope="module")
def versions() -> Iterator[tuple[str, str]]:
    """The old and the new code of each redeploy."""
    return iter([("first", "second"), ("second", "first")])


async def test_a_redeploy(replaced: RunningService, placement: str, versions: Iterator[tuple[str, str]]) -> None:
    old, new = next(versions)
    ledger, store = Ledger(replaced.data_dir), replaced.store()
    api = Api(replaced.url, placement)
    idle, long, parked, unasked = [await api.create() for _ in range(4)]
    for conversation_id in (idle, unasked):
        await api.turn(conversation_id, "hello")
    await api.turn(parked, "ask:which colour?")
    before = hosts()
    async with api.watching(long) as watcher, api.speaking(long, "wait:here", client_id="m1") as turn:
        await turn.until("tool_progress")
        await watcher.until("tool_progress")
        async with asking(api, idle) as statuses, arriving(replaced, store) as had_answered:
            await asyncio.to_thread(redeploy, new)
            current = await store.code_versions.current()
            assert [name for name in await store.hosts.loads() if name.split(":")[2] == str(current)]
            people_until_then = len(had_answered)
            await read_until_reconnect(watcher)
            await read_until_reconnect(turn)
            await api.send(idle, "and now?")
            assert said(await api.rest(idle, turns=2)) == [f"{old}: hello", f"{new}: and now?"]
            assert len(had_answered) > people_until_then, "new people came after it, too"
        assert set(statuses) == {200}, "no request is refused or cut"
        assert set(had_answered.values()) == {True}, "nobody waited for a process"

    async with api.watching(long, last_event_id=watcher.ids[-1]) as again:
        ledger.open_gate(long)
        await again.until("turn_completed")
    assert canonical(watcher.seen) + canonical(again.seen) == await api.log(long)
    assert said(await api.log(long))[-1] == f"{old}: here", "the old code finished the turn that it had begun"
    assert [deed for _, deed in ledger.read(long)] == ["started", "done"]

    [asked] = (await api.show(parked))["pending"]
    answer = {"tool_call_id": asked, "decision": "respond", "answer": "green"}
    assert (await api.post(parked, "resolutions", answer)).status_code == 202
    assert said(await api.rest(parked))[-1] == f"{new}: green", "the answer counts"

    async def nothing_old_is_left() -> bool:
        return not hosts() & before - {f"conversation:{idle}", f"conversation:{parked}"}

    await eventually(nothing_old_is_left)
    await api.send(unasked, "and now?")
    assert said(await api.rest(unasked, turns=2))[-1] == f"{new}: and now?"
    for conversation_id in api.created:
        await check_conversation(store, conversation_id)
    await api.http.aclose()
    await store.aclose()

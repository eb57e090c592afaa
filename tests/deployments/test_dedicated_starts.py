"""Dedicated conversations are answered before they have a process: durable first, then started in the order of a line.

The line is held up by entries of the test's own, so that what happens before a start can be seen.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import suppress

import httpx
import psutil
import pytest
import ray
from redis.asyncio import Redis

from deployments.routing.control_plane import cluster_name
from deployments.routing.placement import actor_name
from store import Store
from tests.deployments.conftest import pid_of
from tests.support.api import Api, answer_texts, eventually
from tests.support.kills import Orders
from tests.support.service import RunningService
from tests.support.service_agents import Ledger

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("cluster")]

PEOPLE = 12


@pytest.fixture
def placement() -> str:
    return "dedicated"


class Blockade:
    """Takes all that may be started at once, until it is lifted."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._held: list[str] = []
        self._renewing: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        cores = int(ray.cluster_resources()["CPU"])
        self._held = [f"blockade-{number}" for number in range(cores)]

        async def all_held() -> bool:
            return set(await self._store.starts.line_up(cluster_name(), self._held, cores)) == {0}

        await eventually(all_held)
        self._renewing = asyncio.create_task(self._renew(cores))

    async def lift(self) -> None:
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.wait([self._renewing])
        for entry in self._held:
            await self._store.starts.leave(cluster_name(), entry)
        self._held = []

    async def _renew(self, cores: int) -> None:
        while True:
            await self._store.starts.line_up(cluster_name(), self._held, cores)
            await asyncio.sleep(0.5)


@pytest.fixture
async def blockade(store: Store) -> AsyncIterator[Blockade]:
    made = Blockade(store)
    await made.begin()
    yield made
    await made.lift()


def actors() -> set[str]:
    return {found["name"] for found in ray.util.list_named_actors(all_namespaces=True)}


async def in_line(store: Store, conversation_ids: set[str]) -> None:
    async def entered() -> bool:
        return conversation_ids <= await store.starts.entered(cluster_name())

    await eventually(entered)


async def test_a_message_is_accepted_and_its_watcher_hears_the_place(
    api: Api, store: Store, blockade: Blockade
) -> None:
    first, second = await api.create(), await api.create()
    async with api.speaking(first, "my name is Ada", client_id="m1") as stream, api.watching(second) as watcher:
        [starting] = [event for event in await stream.until("starting") if event["type"] == "starting"]
        assert starting == {"type": "starting", "conversation_id": first, "turn": 1, "place": 1}
        assert await api.send(second, "hello", client_id="m1")
        assert (await watcher.until("starting"))[-1]["place"] == 2
        assert not actors() & {actor_name(first), actor_name(second)}

        repeated = await api.send(first, "my name is Ada", client_id="m1")
        assert (repeated["seq"], repeated["turn"], repeated["duplicate"]) == (1, 1, True)
        refused = await api.post(first, "messages", {"text": "and?"})
        assert (refused.status_code, refused.json()["type"]) == (409, "urn:raylogue:problem:turn_running")
        queued = await api.send(first, "what is my name?", on_busy="queue")
        assert queued["turn"] == 2
        await blockade.lift()
        events = await stream.until("turn_completed")
    places = [event["place"] for event in events if event["type"] == "starting"]
    assert places[-1] == 0
    states = [event["state"] for event in events if event["type"] == "state_changed"]
    assert states[:2] == ["preparing", "streaming"], "the work is told when it begins"
    log = await api.rest(first, turns=2)
    assert "Ada" in answer_texts(log)[-1]
    await api.rest(second)


async def test_a_message_that_waits_is_cancelled_at_once_and_needs_no_process(
    api: Api, store: Store, blockade: Blockade
) -> None:
    conversation_id = await api.create()
    await api.send(conversation_id, "hello")
    await in_line(store, {conversation_id})
    response = await api.post(conversation_id, "cancel", {"turn": 1})
    assert response.json() == {"conversation_id": conversation_id, "turn": 1, "cancelled": True}
    assert [event["type"] for event in await api.log(conversation_id)] == ["user_msg", "turn_ended"]

    async def has_left() -> bool:
        return conversation_id not in await store.starts.entered(cluster_name())

    await eventually(has_left)
    again = await api.post(conversation_id, "cancel")
    assert (again.status_code, again.json()["type"]) == (409, "urn:raylogue:problem:not_running")
    late = await api.post(conversation_id, "resolutions", {"tool_call_id": "x", "decision": "approve"})
    assert (late.status_code, late.json()["type"]) == (409, "urn:raylogue:problem:stale_resolution")
    await blockade.lift()
    assert actor_name(conversation_id) not in actors()
    assert (await api.turn(conversation_id, "hello again"))[-1]["type"] == "turn_completed"


async def test_many_at_once_are_accepted_and_begin_in_order_and_never_too_many(
    api: Api, store: Store, service: RunningService, blockade: Blockade
) -> None:
    people = [await api.create() for _ in range(PEOPLE)]
    for conversation_id in people:
        await api.send(conversation_id, "hello")
    await in_line(store, set(people))
    key = store.keys.line(cluster_name())
    redis = Redis.from_url(service.redis.url)
    most = 0

    async def all_answered() -> bool:
        nonlocal most
        entries = await redis.hgetall(key)
        most = max(most, sum(entry.endswith(b"|s") for entry in entries.values()))
        unfinished = await store.registry.unfinished(2**60, 1000)
        return not set(people) & set(unfinished)

    await blockade.lift()
    await eventually(all_answered)
    assert 1 <= most <= ray.cluster_resources()["CPU"]
    started = await redis.zrange(store.keys.started(cluster_name()), 0, -1, withscores=True)
    await redis.aclose()
    begun = {name.decode().partition(" ")[0]: at for name, at in started}
    times = [begun[conversation_id] for conversation_id in people]
    assert times == sorted(times), "two that begin in one step have the same time"
    for conversation_id in people:
        assert [event["type"] for event in await api.log(conversation_id)] == [
            "user_msg",
            "assistant_msg",
            "turn_ended",
        ]


INGRESS = "ServeReplica:raylogue:ingress"


def replica_pids(service: RunningService) -> list[int]:
    found: list[int] = []
    for process in service.processes():
        with suppress(psutil.NoSuchProcess):  # it has ended since it was listed
            if INGRESS in " ".join(process.cmdline()):
                found.append(process.pid)
    return found


async def insist(api: Api, conversation_id: str, text: str, client_id: str) -> dict[str, object]:
    """Send a message until there is an answer, as clients do."""
    answers: list[httpx.Response] = []

    async def answered() -> bool:
        try:
            answers.append(await api.post(conversation_id, "messages", {"text": text, "client_id": client_id}))
        except httpx.TransportError:
            return False
        return answers[-1].status_code == 202

    await eventually(answered)
    receipt: dict[str, object] = answers[-1].json()
    return receipt


async def test_a_replica_that_dies_before_the_start_leaves_it_to_the_sweep(
    api: Api, store: Store, service: RunningService, blockade: Blockade, ledger: Ledger
) -> None:
    conversation_id = await api.create("worker")
    await api.send(conversation_id, "wait: for it", client_id="m1")
    await in_line(store, {conversation_id})
    [pid] = replica_pids(service)
    os.kill(pid, signal.SIGKILL)
    ledger.open_gate(conversation_id)
    await blockade.lift()
    receipt = await insist(api, conversation_id, "wait: for it", "m1")
    assert (receipt["seq"], receipt["duplicate"]) == (1, True)

    async def ended() -> bool:
        return conversation_id not in await store.registry.unfinished(2**60, 1000)

    await eventually(ended)
    assert [deed for _, deed in ledger.read(conversation_id)] == ["started", "done"]
    assert [event["type"] for event in await api.log(conversation_id)].count("turn_ended") == 1


@pytest.mark.parametrize("side", ["before", "behind"])
async def test_a_replica_that_dies_at_the_append_of_a_message(
    side: str, api: Api, service: RunningService, ledger: Ledger
) -> None:
    conversation_id = await api.create("killable")
    orders = Orders(service.data_dir)
    orders.give(conversation_id, f"{side} the append of user_msg")
    receipt = await insist(api, conversation_id, "keep: this", "m1")
    assert receipt["seq"] == 1
    assert orders.ordered(conversation_id) is None, "the point was reached"
    log = await api.rest(conversation_id)
    assert [event["type"] for event in log].count("user_msg") == 1
    assert [deed for _, deed in ledger.read(conversation_id)] == ["kept"]


async def test_an_actor_that_dies_while_it_starts_is_started_again(
    api: Api, store: Store, ledger: Ledger, blockade: Blockade
) -> None:
    conversation_id = await api.create("worker")
    await api.send(conversation_id, "wait: for it")
    await in_line(store, {conversation_id})
    await blockade.lift()

    async def lives() -> bool:
        return actor_name(conversation_id) in actors()

    await eventually(lives)
    actor = ray.get_actor(actor_name(conversation_id), namespace="raylogue")
    os.kill(await actor.pid.remote(), signal.SIGKILL)
    ledger.open_gate(conversation_id)
    log = await api.rest(conversation_id)
    assert [event["outcome"] for event in log if event["type"] == "turn_ended"] == ["completed"]
    assert len({call for call, _ in ledger.read(conversation_id)}) <= 1
    assert psutil.pid_exists(await pid_of(conversation_id))

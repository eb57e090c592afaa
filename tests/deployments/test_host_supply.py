"""Hosts ahead of need: who starts them, when a replica is ready, and that nobody waits for one that starts."""

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest
import ray
from ray.exceptions import RayActorError

from deployments.background import host_supply
from deployments.background.host_supply import HostSupply
from deployments.host.activations import Activations
from deployments.host.actor import open_door
from deployments.host.load import HostLoad
from deployments.process.agents import catalog
from deployments.routing.door import Door
from deployments.routing.placement import has_newer_host, is_first_host
from deployments.settings import Settings
from store import Store, connect
from tests.deployments.test_hosts import created, door_to, hosts, say
from tests.support.api import eventually
from tests.support.service import RunningService
from tests.support.small_hosts import GATE, ROOM, BrokenHost, GatedHost, own_store

__all__ = ["own_store"]

PEOPLE = 50
HOUR = 3600.0


@pytest.fixture
def door(service: RunningService, own_store: Store) -> Iterator[Door]:
    """A door whose further hosts are not made before the gate is open."""
    GATE.unlink(missing_ok=True)
    yield door_to(GatedHost, service, own_store)
    GATE.unlink(missing_ok=True)
    for host in hosts().values():
        ray.kill(host)


@pytest.fixture
def supply(own_store: Store, door: Door) -> HostSupply:
    return HostSupply(own_store, door)


async def supplied(supply: HostSupply, door: Door, count: int) -> list[str]:
    """Look again and again until so many hosts answer; their names."""

    async def answer() -> bool:
        await supply.supply()
        return len((await door.launcher.host_slots()).answering) == count

    await eventually(answer)
    return sorted(slot.name for slot in (await door.launcher.host_slots()).answering)


@pytest.mark.ray
@pytest.mark.usefixtures("cluster")
async def test_a_replica_is_ready_once_each_node_has_a_host_that_answers(
    supply: HostSupply, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_supply, "LOST_SECONDS", HOUR)  # on a busy machine a host takes its time
    await supply.supply()
    assert not supply.is_ready
    assert supply.bare_nodes == [node["NodeID"] for node in ray.nodes()]
    [first] = await supplied(supply, door, 1)
    await supply.supply()  # the look before may have been a moment too early
    assert supply.is_ready
    assert supply.bare_nodes == []

    before = await hosts()[first].pid.remote()
    os.kill(before, signal.SIGKILL)

    async def replaced() -> bool:
        await supply.supply()
        successor = hosts().get(first)
        try:
            return successor is not None and await successor.pid.remote() != before
        except RayActorError:
            return False

    await eventually(replaced)
    assert supply.is_ready, "the page and the log are there all the time"

    monkeypatch.setattr(host_supply, "LOST_SECONDS", 0.0)
    for host in hosts().values():
        ray.kill(host)

    async def is_lost() -> bool:
        await supply.supply()
        return not supply.is_ready

    await eventually(is_lost)


@pytest.mark.ray
@pytest.mark.usefixtures("cluster")
async def test_a_replica_whose_hosts_cannot_import_the_agents_is_not_ready(
    service: RunningService, own_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_supply, "READY_SECONDS", 0.0)
    door = door_to(BrokenHost, service, own_store)
    supply = HostSupply(own_store, door)
    nodes = [node["NodeID"] for node in ray.nodes()]

    async def has_failed() -> bool:
        await supply.supply()
        return all(supply._is_paused(node) for node in nodes)

    await eventually(has_failed)
    await supply.supply()
    assert supply.bare_nodes == nodes
    assert supply._has_waited, "a rollout goes on"
    assert not supply.is_ready


@pytest.mark.ray
@pytest.mark.usefixtures("cluster")
async def test_in_a_burst_nobody_is_sent_to_a_host_that_still_starts(
    supply: HostSupply, door: Door, own_store: Store
) -> None:
    [first] = await supplied(supply, door, 1)
    for number in range(ROOM):
        await say(door, await created(own_store, f"early{number}"), "hello")

    async def further_begins() -> bool:
        await supply.supply()
        return len(hosts()) == 2

    await eventually(further_begins)
    people = [await created(own_store, f"burst{number}") for number in range(PEOPLE)]
    await asyncio.gather(*(say(door, conversation_id, "hello") for conversation_id in people))
    places = {(await own_store.registry.get(conversation_id)).place for conversation_id in people}
    assert places == {first}, "it took all of them, though another one was on its way"

    GATE.touch()
    both = await supplied(supply, door, 2)
    later = [await created(own_store, f"later{number}") for number in range(PEOPLE)]
    await asyncio.gather(*(say(door, conversation_id, "hello") for conversation_id in later))
    assert {(await own_store.registry.get(conversation_id)).place for conversation_id in later} == set(both)

    async def all_answered() -> bool:
        return not await own_store.registry.unfinished(2**60, 1)

    await eventually(all_answered)


def test_the_first_host_of_a_node_is_that_of_its_code_with_the_lowest_number() -> None:
    loads = {"host:a:7:1": 0, "host:a:7:10": 0, "host:a:7:2": 9, "host:a:6:0": 1, "host:b:7:0": 1}
    assert [name for name in loads if is_first_host(name, loads)] == ["host:a:7:1", "host:a:6:0", "host:b:7:0"]
    assert is_first_host("host:a:7:3", {})


async def test_a_replica_waits_for_its_hosts_only_while_others_serve(
    redis_url: str, redis_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(redis_url=redis_url, prefix=redis_prefix)
    store = connect(redis_url, prefix=redis_prefix)
    door = open_door(settings, store, catalog(settings))
    await HostSupply(store, door).wait_in_rollout("ours")
    await store.clusters.report("ours")
    waiting = asyncio.create_task(HostSupply(store, door).wait_in_rollout("ours"))
    await asyncio.wait([waiting], timeout=0.1)
    assert not waiting.done()
    waiting.cancel()
    monkeypatch.setattr(host_supply, "READY_SECONDS", -1.0)
    await HostSupply(store, door).wait_in_rollout("ours")
    await store.aclose()


def test_a_host_of_newer_code_is_one_on_the_same_node() -> None:
    loads = {"host:a:7:0": 0, "host:b:8:0": 3}
    assert not has_newer_host("host:a:7:0", 7, loads)
    assert has_newer_host("host:b:7:0", 7, loads)
    assert not has_newer_host("host:b:8:1", 8, loads)
    assert has_newer_host("conversation:c", 7, loads)
    assert not has_newer_host("conversation:c", 8, loads)


async def test_an_empty_host_stays_if_it_is_the_first_and_a_service_is_there(redis_url: str, redis_prefix: str) -> None:
    store = connect(redis_url, prefix=redis_prefix)

    def load(name: str) -> HostLoad:
        return HostLoad(name, "ours", Settings(), store, Activations())

    first, second, dedicated = load("host:a:7:0"), load("host:a:7:1"), load("conversation:c")
    await first.report()
    await second.report()
    assert not await first.is_needed(), "no replica of this cluster has reported"
    await store.clusters.report("another")
    assert not await first.is_needed()
    await store.clusters.report("ours")
    assert [await host.is_needed() for host in (first, second, dedicated)] == [True, False, False]
    await store.hosts.forget("host:a:7:0")
    assert await second.is_needed(), "now it is the first"
    await store.hosts.forget("host:a:7:1")
    await store.aclose()

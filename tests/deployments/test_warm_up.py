"""Before people come, hosts and replicas have done what is done once: no first message waits for that."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator

import orjson
import pytest
import ray

from deployments.background.host_supply import HostSupply
from deployments.direct.caller import DirectActor
from deployments.ray_internals.handles import actor_id
from deployments.routing.door import Door
from store import Store
from tests.deployments.test_hosts import created, door_to, hosts, say
from tests.support.api import eventually
from tests.support.service import RunningService
from tests.support.small_hosts import WatchedHost, own_store

__all__ = ["own_store"]


@pytest.fixture
def door(service: RunningService, own_store: Store) -> Iterator[Door]:
    yield door_to(WatchedHost, service, own_store)
    for host in hosts().values():
        ray.kill(host)


@pytest.mark.ray
@pytest.mark.usefixtures("cluster")
async def test_the_first_message_finds_a_host_that_is_connected_and_warm(own_store: Store, door: Door) -> None:
    supply = HostSupply(own_store, door)

    async def is_ready() -> bool:
        await supply.supply()
        return supply.is_ready

    await eventually(is_ready)
    [[name, host]] = hosts().items()
    connection = door._direct._open[actor_id(host)]
    assert isinstance(door._direct.prefer(host), DirectActor)
    assert next(connection._numbers) == 0, "nobody has been here"

    await say(door, await created(own_store, "first"), "hello")
    assert next(connection._numbers) == 2, "the first message went this way, too"

    async def is_answered() -> bool:
        return not await own_store.registry.unfinished(2**60, 1)

    await eventually(is_answered)
    assert (await own_store.registry.get("first")).place == name
    assert await host.first_time_events.remote() == []


async def test_the_first_requests_import_nothing_and_load_no_script(redis_url: str, redis_prefix: str) -> None:
    program = [sys.executable, "-m", "tests.support.first_requests", redis_url, redis_prefix]
    done = await asyncio.to_thread(subprocess.run, program, check=True, capture_output=True)
    printed = orjson.loads(done.stdout)
    assert printed["statuses"] == [201, 200]
    assert printed["seen"] == []
    assert "colorsys" in printed["afterwards"][0]

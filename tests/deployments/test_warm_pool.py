"""Warm workers: a dedicated actor starts in a process that was there before it, and another takes its place."""

import time

import psutil
import pytest
import ray

from deployments.background import warm_pool
from deployments.background.warm_pool import WarmPool
from deployments.ray_internals.raylet import fresh_workers
from deployments.routing.control_plane import ControlPlane, cluster_name
from store import Store, connect
from tests.deployments.conftest import pid_of
from tests.support.api import Api, eventually
from tests.support.service import WARM_WORKERS, RunningService

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("cluster")]


@pytest.fixture
def placement() -> str:
    return "dedicated"


def warm() -> list[int]:
    """The processes that wait for work."""
    [node] = ray.nodes()
    return fresh_workers(f"{node['NodeManagerAddress']}:{node['NodeManagerPort']}")


async def all_warm() -> set[int]:
    """Wait until there are as many as there should be; their processes."""

    async def filled() -> bool:
        return len(warm()) >= WARM_WORKERS

    await eventually(filled)
    return set(warm())


async def test_each_start_uses_a_warm_worker_and_it_is_replaced(api: Api) -> None:
    for _ in range(2):
        await all_warm()
        before = time.time()
        conversation_id = await api.create()
        await api.turn(conversation_id, "hello")
        pid = await pid_of(conversation_id)
        assert psutil.Process(pid).create_time() < before
        assert pid not in await all_warm()


async def test_the_pool_grows_with_the_line_of_starts(api: Api, store: Store) -> None:
    await all_warm()
    people = [await api.create() for _ in range(2 * WARM_WORKERS)]
    for conversation_id in people:
        await api.send(conversation_id, "hello")

    async def has_grown() -> bool:
        return len(warm()) > WARM_WORKERS

    await eventually(has_grown)
    for conversation_id in people:
        await api.rest(conversation_id)
    assert (await store.starts.demand(cluster_name())).recent >= len(people)


async def test_nodes_that_have_all_are_asked_seldom_until_actors_are_in_the_line(
    service: RunningService, redis_url: str, redis_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def ask(raylet: str) -> list[int]:
        asked.append(raylet)
        return fresh_workers(raylet)

    monkeypatch.setattr(warm_pool, "fresh_workers", ask)
    monkeypatch.setattr(warm_pool, "CALM_SECONDS", 3600.0)
    store = connect(redis_url, prefix=redis_prefix)
    control_plane = ControlPlane(redis_prefix, dedicated_per_node=None)
    pool = WarmPool(service.settings(), store, control_plane)

    async def is_calm() -> bool:
        before = len(asked)
        await pool.fill()
        return len(asked) == before

    await eventually(is_calm)
    await store.starts.line_up(cluster_name(), ["c"], at_once=1)
    assert not await is_calm()
    await store.starts.leave(cluster_name(), "c")
    assert not await is_calm(), "it has just been there"
    await store.aclose()

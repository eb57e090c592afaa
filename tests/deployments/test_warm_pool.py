"""Warm workers: a dedicated actor starts in a process that was there before it, and another takes its place."""

import time

import psutil
import pytest
import ray

from deployments.ray_internals.raylet import fresh_workers
from tests.deployments.conftest import pid_of
from tests.support.api import Api, eventually
from tests.support.service import WARM_WORKERS

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

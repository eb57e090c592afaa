"""The queues on the other kinds of Redis: how docket is told of them, and that jobs are done on a cluster."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from redis.asyncio import RedisCluster

from agents.tools.remote import LocalTasks
from deployments.process.store import connect_store
from deployments.settings import Settings
from deployments.work.attempt import Attempts
from deployments.work.client import JobClient
from deployments.work.queues import Queues, docket_url
from deployments.work.worker import JobWorker
from store import Store
from store.keys import Keys
from tests.support.api import eventually
from tests.support.job_types import Note
from tests.support.leaks import all_keys, find_problems
from tests.work.conftest import OWNER

if TYPE_CHECKING:
    from store.registries.jobs import JobRecord
    from tests.servers.cluster import ValkeyCluster


@pytest.mark.parametrize(
    ("url", "cluster", "expected"),
    [
        ("redis://u:p@h:1/2", False, "redis://u:p@h:1/2"),
        ("rediss://h:1?ssl_ca_certs=/ca.pem", False, "rediss://h:1?ssl_ca_certs=/ca.pem"),
        ("unix:///run/redis.sock?db=1", False, "unix:///run/redis.sock?db=1"),
        ("redis://h:1", True, "redis+cluster://h:1"),
        ("rediss://h:1", True, "rediss+cluster://h:1"),
        ("sentinel://u:p@a:1,b:2/main/3", False, "redis+sentinel://u:p@a:1,b:2/main/3"),
    ],
)
def test_docket_is_told_of_the_same_server(url: str, cluster: bool, expected: str) -> None:
    assert docket_url(Settings(redis_url=url, redis_cluster=cluster)) == expected


@pytest.mark.cluster
async def test_jobs_are_done_on_a_redis_cluster(
    valkey_cluster: "ValkeyCluster", redis_prefix: str, ledger: Path
) -> None:
    settings = Settings(redis_url=valkey_cluster.url, redis_cluster=True, prefix=redis_prefix)
    store, queues = connect_store(settings), Queues(settings)
    jobs = JobClient(store, queues)
    worker = JobWorker(queues, Attempts(store, None, LocalTasks()), jobs)
    await worker.start()
    made = [await jobs.submit("write_note", Note(ledger=ledger, mood="fails_once"), owner=OWNER) for _ in range(3)]

    async def all_over() -> "list[JobRecord] | None":
        found = await store.jobs.get_many(made)
        return found if all(job.is_over for job in found) else None

    over = await eventually(all_over)

    assert {(job.state, job.attempts) for job in over} == {("succeeded", 2)}
    await eventually(lambda: _is_done(store))
    await worker.stop(1)
    async with RedisCluster.from_url(valkey_cluster.url) as client:
        left = {key for key in await all_keys(client) if key.startswith(redis_prefix.encode())}
        assert await find_problems(client, Keys(redis_prefix), left) == []
        for key in left:
            await client.delete(key)
    await queues.aclose()
    await store.aclose()


async def _is_done(store: Store) -> bool:
    """Whether nothing is on the queues any more: docket takes a job off a moment after its record says how it ended."""
    return not any((await store.jobs.backlog(["high", "normal", "low"], 2**52)).values())

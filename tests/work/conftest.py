"""Jobs without Ray: a client and a worker of this process, on the run's Valkey."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from redis.asyncio import Redis

from agents.tools.remote import LocalTasks
from deployments.process.store import connect_store
from deployments.settings import Settings
from deployments.work import attempt, job_type
from deployments.work import worker as worker_module
from deployments.work.attempt import Attempts
from deployments.work.client import JobClient
from deployments.work.queues import Queues
from deployments.work.worker import JobWorker
from store import Store
from store.keys import Keys
from store.registries.jobs import JobRecord
from tests.servers.fixtures import own_server, redis_prefix, redis_server, redis_url, valkey_cluster
from tests.support import job_types
from tests.support.api import eventually
from tests.support.leaks import all_keys, find_problems

__all__ = ["own_server", "redis_prefix", "redis_server", "redis_url", "valkey_cluster"]

OWNER = "acme/ada"
Ended = Callable[[str], Awaitable[JobRecord]]


@pytest.fixture(autouse=True)
def known_jobs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The jobs of the tests are known, and tried again without delay."""
    assert job_type.JOB_TYPES["write_note"].run is job_types.write_note
    monkeypatch.setattr(attempt, "retry_delay", lambda _: 0.01)
    monkeypatch.setattr(worker_module, "LOOK_AGAIN", timedelta(seconds=0.1))
    return


@pytest.fixture
def settings(redis_url: str, redis_prefix: str) -> Settings:
    """Those of a service whose keys are this test's own."""
    return Settings(redis_url=redis_url, prefix=redis_prefix)


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[Store]:
    """Afterwards every key that is left must be in the table."""
    assert settings.redis_url is not None
    store = connect_store(settings)
    yield store
    await store.aclose()
    async with Redis.from_url(settings.redis_url) as client:
        left = {key for key in await all_keys(client) if key.startswith(settings.prefix.encode())}
        wrong = await find_problems(client, Keys(settings.prefix), left)
        await client.delete(*left or {b"none"})
    assert not wrong, wrong


@pytest.fixture
async def queues(settings: Settings) -> AsyncIterator[Queues]:
    queues = Queues(settings)
    yield queues
    await queues.aclose()


@pytest.fixture
def jobs(store: Store, queues: Queues) -> JobClient:
    return JobClient(store, queues)


@pytest.fixture
async def worker(settings: Settings, store: Store, jobs: JobClient) -> AsyncIterator[JobWorker]:
    """Works from the start of the test to its end."""
    queues = Queues(settings)
    worker = JobWorker(queues, Attempts(store, None, LocalTasks()), jobs)
    await worker.start()
    yield worker
    await worker.stop(0)
    await queues.aclose()


@pytest.fixture
def ended(store: Store) -> Ended:
    """Waits until a job is over."""

    async def wait(job_id: str) -> JobRecord:
        async def over() -> JobRecord | None:
            job = await store.jobs.get(job_id)
            return job if job is not None and job.is_over else None

        return await eventually(over)

    return wait


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """Where the jobs of the tests write."""
    return tmp_path / "ledger.txt"

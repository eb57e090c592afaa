"""Replays without Ray: conversations of this process, a worker whose tasks are threads, and the HTTP application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import httpx
import pytest

from agents.local import LocalConversations
from agents.tools.remote import LocalTasks
from deployments.process.store import connect_store
from deployments.settings import Settings
from deployments.work import worker as worker_module
from deployments.work.attempt import Attempts
from deployments.work.client import JobClient
from deployments.work.job_modules import import_jobs
from deployments.work.queues import Queues
from deployments.work.worker import JobWorker, WorkServices
from store import Store
from tests.servers.fixtures import own_server, redis_prefix, redis_server, redis_url, valkey_cluster
from tests.support.access_service import bearer, make_key, serving
from tests.support.replay_agents import catalog

__all__ = ["own_server", "redis_prefix", "redis_server", "redis_url", "valkey_cluster"]


@pytest.fixture
def settings(redis_url: str, redis_prefix: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Those of a service whose keys are this test's own; a task reads the same from its environment."""
    given = {
        "REDIS_URL": redis_url,
        "PREFIX": redis_prefix,
        "AGENTS": "tests.support.replay_agents:catalog",
        "AUTH": "keys",
    }
    monkeypatch.setattr(worker_module, "LOOK_AGAIN", timedelta(seconds=0.1))
    for name, value in given.items():
        monkeypatch.setenv(f"RAYLOGUE_{name}", value)
    return Settings()


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[Store]:
    store = connect_store(settings)
    yield store
    await store.aclose()


@dataclass(slots=True)
class Past:
    """Talks to conversations that are to be replayed."""

    conversations: LocalConversations

    async def talk(self, conversation_id: str, *words: str, principal: str = "acme/ada", agent: str = "echo") -> None:
        """A conversation in which this was said, and answered."""
        conversation = await self.conversations.open(conversation_id, agent=agent, principal=principal)
        for each in words:
            await conversation.ask(each)
        await conversation.stop()


@pytest.fixture
async def past(store: Store, settings: Settings) -> AsyncIterator[Past]:
    conversations = LocalConversations(store, catalog(settings))
    yield Past(conversations)
    await conversations.aclose()


@pytest.fixture
async def jobs(store: Store, settings: Settings) -> AsyncIterator[JobClient]:
    queues = Queues(settings)
    yield JobClient(store, queues)
    await queues.aclose()


@pytest.fixture
async def worker(store: Store, settings: Settings, jobs: JobClient) -> AsyncIterator[JobWorker]:
    """Works from the start of the test to its end."""
    async with working(store, settings, jobs) as worker:
        yield worker


@asynccontextmanager
async def working(store: Store, settings: Settings, jobs: JobClient) -> AsyncIterator[JobWorker]:
    """A worker; what would be done by Ray tasks is done in threads of this process."""
    import_jobs(settings)
    conversations = LocalConversations(store, catalog(settings))
    services = WorkServices(settings, catalog(settings), store, conversations, jobs)  # type: ignore[arg-type]
    queues = Queues(settings)
    worker = JobWorker(queues, Attempts(store, services, LocalTasks()), jobs)
    await worker.start()
    yield worker
    await worker.stop(0)
    await conversations.aclose()
    await queues.aclose()


@pytest.fixture
async def http(store: Store, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client that shows a key of acme/ada."""
    async with serving(store, settings) as client:
        client.headers.update(bearer(await make_key(store)))
        yield client

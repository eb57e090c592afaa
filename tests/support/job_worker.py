"""A worker in a process of its own: `python -m tests.support.job_worker REDIS_URL PREFIX`, until its input ends."""

import asyncio
import sys
from datetime import timedelta

from agents.tools.remote import LocalTasks
from deployments.process.store import connect_store
from deployments.settings import Settings
from deployments.work import attempt, job_type, worker
from deployments.work.attempt import Attempts
from deployments.work.client import JobClient
from deployments.work.queues import Queues
from tests.support import job_types

SOON_LOST = timedelta(seconds=1)


async def work(settings: Settings) -> None:
    """Work until the input ends."""
    store, queues = connect_store(settings), Queues(settings)
    jobs = JobClient(store, queues)
    own = worker.JobWorker(queues, Attempts(store, None, LocalTasks()), jobs)
    await own.start()
    print("working", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await own.stop(1)
    await queues.aclose()
    await store.aclose()


if __name__ == "__main__":
    assert job_type.JOB_TYPES["die_first"].run is job_types.die_first
    worker.LOST_AFTER = SOON_LOST  # type: ignore[misc]
    attempt.RENEWAL_SECONDS, attempt.ALIVE_SECONDS = 0.1, 0.5
    asyncio.run(work(Settings(redis_url=sys.argv[1], prefix=sys.argv[2])))

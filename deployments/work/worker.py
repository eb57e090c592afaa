"""A worker: takes jobs off the queues, urgent ones in places of their own, and hands back what it must leave."""

import asyncio
import logging
import os
import secrets
import socket
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, NoReturn

import structlog
from docket import Retry, Worker

from agents.agent import Catalog
from deployments.background.periodic import run_periodically
from deployments.routing.door import Door
from deployments.settings import Settings
from deployments.work.attempt import Attempts
from deployments.work.client import JobClient
from deployments.work.docket_queue import TASK, Queue
from deployments.work.job_type import PLACES, PRIORITIES
from deployments.work.queues import Queues
from store import Store

log = structlog.get_logger(__name__)
# A retry is our own way to say when a job is due again; docket logs it as an error, with what the job has raised.
logging.getLogger("docket.dependencies").setLevel(logging.CRITICAL)

LOST_AFTER: Final = timedelta(seconds=30)
"""A worker that has not renewed its claims for so long is lost, and its jobs are done by others."""
LOOK_AGAIN: Final = timedelta(seconds=1)
"""How often a worker looks for jobs that are due; one that is due at once wakes it."""
PUT_BACK_SECONDS: Final = 60.0
PAUSE: Final = timedelta(seconds=5)
"""Before the next try, where not the job has failed, but what is around it, such as the store."""


@dataclass(frozen=True, slots=True)
class WorkServices:
    """What a job may use."""

    settings: Settings
    catalog: Catalog
    store: Store
    door: Door
    jobs: JobClient


class JobWorker:
    """Does jobs in this process from `start` to `stop`."""

    def __init__(self, queues: Queues, attempts: Attempts, jobs: JobClient) -> None:
        self._queues = queues
        self._attempts = attempts
        self._jobs = jobs
        self._stopping = asyncio.Event()
        self._loops: list[asyncio.Task[None]] = []
        self._running: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Take jobs from now on."""
        name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"
        for priority in PRIORITIES:
            queue = await self._queues.of(priority)
            queue.tasks[TASK] = self._run_job
            self._loops.append(asyncio.create_task(self._work(_worker(queue, name, PLACES[priority]))))
        self._putting_back = asyncio.create_task(
            run_periodically(self._jobs.put_back, PUT_BACK_SECONDS, "jobs_not_put_back")
        )

    async def stop(self, seconds: float) -> None:
        """Take no more jobs, wait for the running ones, at most so long, and hand back the others."""
        self._putting_back.cancel()
        self._attempts.is_draining = True
        self._stopping.set()
        _, late = await asyncio.wait(self._loops, timeout=seconds)
        if late:
            log.info("jobs_handed_back", count=len(self._running))
            for task in tuple(self._running):
                task.cancel()
        await asyncio.gather(*self._loops, self._putting_back, return_exceptions=True)

    async def _work(self, worker: Worker) -> None:
        async with worker:  # whose end waits for the jobs that run
            running = asyncio.create_task(worker.run_forever())
            await self._stopping.wait()
        await running

    async def _run_job(self, job_id: str, retry: Retry = Retry.forever(delay=PAUSE)) -> None:  # noqa: B008 - docket's way
        def again(seconds: float) -> NoReturn:
            retry.after(timedelta(seconds=seconds))

        # In a task of its own: what is cancelled at the end is the job, not docket's bookkeeping of it.
        task = asyncio.create_task(self._attempts.run(job_id, again))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        try:
            await task
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait({task})
            raise


def _worker(queue: Queue, name: str, places: int) -> Worker:
    return Worker(
        queue,
        name=name,
        concurrency=places,
        redelivery_timeout=LOST_AFTER,
        minimum_check_interval=LOOK_AGAIN,
        scheduling_resolution=LOOK_AGAIN,
        reconnection_delay=timedelta(seconds=1),
        schedule_automatic_tasks=False,
    )

"""The Serve deployment `work`: a replica is a worker, and Serve starts as many as the backlog asks for."""

import asyncio
from typing import Any

import structlog
from ray import serve
from ray.serve import Application
from ray.serve.config import AutoscalingConfig
from ray.serve.schema import LoggingConfig

from deployments.host.actor import open_door
from deployments.host.ray_tasks import RayTasks
from deployments.metrics import table
from deployments.metrics.conversations import StoreMetrics, learn_names
from deployments.metrics.export import Export
from deployments.metrics.recorder import Recorder
from deployments.process.agents import catalog
from deployments.process.logging import configure_logging
from deployments.process.store import connect_store
from deployments.ray_internals.serve_replica import call_when_replica_stops, keep_replica_private
from deployments.routing.code_version import has_stale_code
from deployments.routing.errors import StaleProcess
from deployments.settings import Settings
from deployments.work.attempt import Attempts
from deployments.work.client import JobClient
from deployments.work.job_modules import import_jobs
from deployments.work.job_type import JOB_TYPES
from deployments.work.queues import Queues
from deployments.work.worker import JobWorker, WorkServices

log = structlog.get_logger(__name__)

OPTIONS: dict[str, Any] = {"num_cpus": 0}
CLOSING_SECONDS = 5.0
"""What a replica needs beside the jobs that it waits for."""


class Work:
    """One worker process. It works for as long as it lives; the calls of `hold` are how Serve learns of the need."""

    async def __init__(self, deployment: str) -> None:  # type: ignore[misc]  # Serve awaits it
        """Take jobs from now on. Raises StaleProcess."""
        if has_stale_code():
            raise StaleProcess("a worker")
        keep_replica_private()
        configure_logging()
        settings = Settings()
        import_jobs(settings)
        agents = catalog(settings)
        recorder = Recorder()
        learn_names(recorder, agents)
        recorder.learn(table.JOB, JOB_TYPES)
        self._seconds = settings.work_drain_seconds
        self._store = connect_store(settings, StoreMetrics(recorder))
        self._queues = Queues(settings)
        self._door = open_door(settings, self._store, agents, deployment)
        jobs = JobClient(self._store, self._queues)
        services = WorkServices(settings, agents, self._store, self._door, jobs)
        self._worker = JobWorker(self._queues, Attempts(self._store, services, RayTasks(), recorder=recorder), jobs)
        self._stopping: asyncio.Task[None] | None = None
        loop = asyncio.get_running_loop()
        call_when_replica_stops(lambda: loop.call_soon_threadsafe(self._begin_to_stop))
        await self._worker.start()
        self._exporting = asyncio.create_task(Export(recorder).run())

    async def hold(self, seconds: float) -> None:
        """A request that lasts so long: Serve keeps about as many workers as there are such requests."""
        await asyncio.sleep(0 if self._stopping else seconds)

    def _begin_to_stop(self) -> None:
        if self._stopping is None:
            self._stopping = asyncio.create_task(self._worker.stop(self._seconds))

    async def __del__(self) -> None:
        """Serve's hook, at the end of a replica."""
        self._begin_to_stop()
        assert self._stopping is not None
        await self._stopping
        self._exporting.cancel()
        self._door.line.close()
        await self._queues.aclose()
        await self._store.aclose()


def work_application(settings: Settings, deployed: str, ray_actor_options: dict[str, Any] = OPTIONS) -> Application:
    """The deployment, bound: its handle goes to the ingress, which says how many workers there should be."""
    deployment: Any = serve.deployment(
        name="work",
        autoscaling_config=AutoscalingConfig(
            min_replicas=settings.min_workers,
            max_replicas=max(1, settings.min_workers, settings.max_workers),
            target_ongoing_requests=1,
            upscale_delay_s=settings.upscale_seconds,
            downscale_delay_s=settings.downscale_seconds,
        ),
        max_ongoing_requests=1_000,
        ray_actor_options=ray_actor_options,
        logging_config=LoggingConfig(enable_access_log=False),
        graceful_shutdown_timeout_s=settings.work_drain_seconds + CLOSING_SECONDS,
        max_surge_percent=100,
    )(Work)
    application: Application = deployment.bind(deployed)
    return application

"""The service of one machine: database, cluster, application; started in this order, stopped in reverse."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from deployments.local import ports
from deployments.local.cluster import ray_head, run_application
from deployments.local.database import database, without_password
from deployments.local.environment import LOOPBACK
from deployments.local.progress import Progress
from deployments.local.record import RunRecord, sole_service, write_record
from deployments.settings import Settings


@contextmanager
def local_service(settings: Settings, progress: Progress) -> Iterator[RunRecord]:
    """Run while the body runs. Raises CannotStart."""
    with ExitStack() as running:
        record = running.enter_context(sole_service(settings))
        redis_url = running.enter_context(database(settings, progress))
        dashboard_port = ports.wanted_or_next(LOOPBACK, settings.dashboard_port) if settings.dashboard else None
        dashboard = f"http://{LOOPBACK}:{dashboard_port}" if dashboard_port is not None else None
        known = settings.model_copy(update={"redis_url": redis_url, "dashboard_url": dashboard})
        # Ray's processes inherit this environment, and read their settings from it.
        os.environ.update(known.environment())
        with progress.step("Ray"):
            running.enter_context(ray_head(known.namespace, dashboard_port))
        with progress.step("Application"):
            run_application(known)
        record = record.model_copy(
            update={"state": "running", "dashboard": dashboard, "redis": without_password(redis_url)}
        )
        write_record(settings.data_dir, record)
        yield record

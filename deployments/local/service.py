"""The service of one machine: Redis, Ray, application; started in this order, stopped in reverse."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from rich.console import Console
from rich.markup import escape

from deployments.local import ports
from deployments.local.cluster import deployment, ray_head
from deployments.local.environment import LOOPBACK
from deployments.local.record import RunRecord, claim_data_dir, write_record
from deployments.local.storage import embedded_valkey, wait_for_redis, without_password
from deployments.settings import Settings


class Progress:
    """Prints one line per finished step; in a terminal, the running step spins below them."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def step(self, title: str) -> Iterator[Callable[[str], None]]:
        """A step; the function that it yields prints a remark that belongs to it."""
        begin = time.monotonic()
        with self._console.status(escape(title)):
            yield lambda remark: self._console.print(f"  {remark}", style="yellow", highlight=False, markup=False)
        seconds = time.monotonic() - begin
        self._console.print(f"[green]✓[/] {escape(title)} [dim]{seconds:.1f} s[/]", highlight=False)


@contextmanager
def local_service(settings: Settings, progress: Progress) -> Iterator[RunRecord]:
    """Run while the body runs. Raises CannotStart."""
    with ExitStack() as running:
        record = running.enter_context(claim_data_dir(settings))
        redis_url = _start_redis(settings, progress, running)
        dashboard_port = ports.next_free_port(LOOPBACK, settings.dashboard_port) if settings.dashboard else None
        dashboard = f"http://{LOOPBACK}:{dashboard_port}" if dashboard_port is not None else None
        known = settings.model_copy(update={"redis_url": redis_url, "dashboard_url": dashboard})
        # Ray's processes inherit this environment, and read their settings from it.
        os.environ.update(known.environment())
        with deployment() as deploy:
            with progress.step("Ray"):
                running.enter_context(ray_head(known.namespace, dashboard_port, known.log_days))
            with progress.step("Application"):
                deploy()
        record = record.model_copy(
            update={"state": "running", "dashboard": dashboard, "redis": without_password(redis_url)}
        )
        write_record(settings.data_dir, record)
        yield record


def _start_redis(settings: Settings, progress: Progress, running: ExitStack) -> str:
    """The URL of a Redis that answers; an embedded one stops with `running`. Raises CannotStart."""
    if settings.redis_url is None:
        with progress.step("Valkey, embedded"):
            return running.enter_context(embedded_valkey(settings.data_dir / "valkey"))
    with progress.step(f"Redis at {without_password(settings.redis_url)}") as report:
        wait_for_redis(settings, report)
    return settings.redis_url

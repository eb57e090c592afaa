"""A Ray cluster of one node, and the application on it."""

import logging
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import ray
from ray import serve
from ray.exceptions import RayError
from ray.serve.config import HTTPOptions

from deployments.app import app
from deployments.local import ports
from deployments.local.environment import LOOPBACK
from deployments.local.errors import CannotStart
from deployments.local.processes import descendants, end_all, stop_at_signals
from deployments.settings import Settings

APPLICATION = "raylogue"
# The conversations' data is in Redis; next to nothing goes through Ray's object store.
OBJECT_STORE_BYTES = 128 * 1024**2
LOGS = "/tmp/ray/session_latest/logs"  # noqa: S108 - where Ray itself writes
READY_SECONDS = 60.0
PROBE_SECONDS = 0.1


@contextmanager
def ray_head(namespace: str, dashboard_port: int | None) -> Iterator[None]:
    """Start Ray, with its dashboard if that has a port, and leave none of its processes behind."""
    earlier = set(descendants())
    try:
        _start_ray(namespace, dashboard_port)
        # Ray has put signal handlers of its own in place.
        stop_at_signals()
        yield
    finally:
        _stop_ray(earlier)


def _start_ray(namespace: str, dashboard_port: int | None) -> None:
    """Try twice, since a busy machine may need more than Ray's own 30 seconds. Raises CannotStart."""
    earlier = set(descendants())
    for last in (False, True):
        try:
            _init_ray(namespace, dashboard_port)
        except Exception as error:  # Ray raises bare ones
            _stop_ray(earlier)
            if last:
                raise CannotStart(
                    f"Ray did not start ({_first_line(error)}): make room on this machine and try again; "
                    f"see {LOGS} for more"
                ) from error
        else:
            return


def _init_ray(namespace: str, dashboard_port: int | None) -> None:
    ray.init(
        address="local",
        namespace=namespace,
        include_dashboard=dashboard_port is not None,
        dashboard_host=LOOPBACK,
        # Ray wants a port that is free, even when there is to be no dashboard.
        dashboard_port=dashboard_port or ports.find_free_ports(LOOPBACK, 1)[0],
        object_store_memory=OBJECT_STORE_BYTES,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )


def _stop_ray(earlier: set[psutil.Process]) -> None:
    started = [process for process in descendants() if process not in earlier]
    ray.shutdown()
    end_all(started)


def run_application(settings: Settings) -> None:
    """Deploy the application behind HAProxy, and return when it answers at the settings' address."""
    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    try:
        serve.start(http_options=HTTPOptions(host=settings.host, port=settings.port))
        serve.run(app, name=APPLICATION, route_prefix="/")
    except (RuntimeError, TimeoutError, RayError) as error:
        raise CannotStart(f"the application did not start ({_first_line(error)}): see {LOGS}/serve") from error
    _wait_until_ready(f"{settings.url}/readyz")


def _wait_until_ready(url: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - our own http address
                return
        except (OSError, urllib.error.HTTPError) as error:
            if time.monotonic() > deadline:
                raise CannotStart(f"the service started but is not ready ({error}): see {LOGS}/serve") from error
        time.sleep(PROBE_SECONDS)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]

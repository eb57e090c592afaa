"""A Ray cluster of one node, and the process that deploys the application on it."""

import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil
import ray

from deployments.local import ports
from deployments.local.environment import LOOPBACK
from deployments.local.errors import LOGS, SESSIONS, CannotStart, first_line
from deployments.local.old_logs import mark_session, remove_old_sessions
from deployments.local.processes import Stopped, descendants, end_all, ignore_signals, stop_at_signals
from deployments.ray_internals.head_node import only_used_processes

# The conversations' data is in Redis; next to nothing goes through Ray's object store.
OBJECT_STORE_BYTES = 128 * 1024**2


@contextmanager
def ray_head(namespace: str, dashboard_port: int | None, log_days: float) -> Iterator[None]:
    """Start Ray, with its dashboard if that has a port, and leave none of its processes behind.

    Logs that services before this one have left are removed after `log_days`.
    """
    earlier = set(descendants())
    try:
        try:
            _start_ray(namespace, dashboard_port)
            # Ray has put signal handlers of its own in place.
            stop_at_signals()
        except SystemExit as ended:  # theirs, of SIGTERM
            ignore_signals()
            raise Stopped from ended
        mark_session(SESSIONS / ray.get_runtime_context().get_session_name())
        remove_old_sessions(SESSIONS, log_days)
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
                    f"Ray did not start ({first_line(error)}): make room on this machine and try again; "
                    f"see {LOGS} for more"
                ) from error
        else:
            return


def _init_ray(namespace: str, dashboard_port: int | None) -> None:
    with only_used_processes():
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


@contextmanager
def deployment() -> Iterator[Callable[..., None]]:
    """A process that will deploy the application; the function that is yielded has it do so, when Ray has started.

    Its imports take seconds, so they are made meanwhile. The function returns when the application answers; it takes
    the name of the code, or nothing for the first one. Raises CannotStart.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "deployments.local.application"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is for the service's process, which ends this one
    )

    def run(code: str = "") -> None:
        address = ray.get_runtime_context().gcs_address
        cause, trouble = process.communicate(f"{address} {code}\n")
        if process.returncode:
            lines = (cause or trouble).strip().splitlines() or [f"exit code {process.returncode}"]
            raise CannotStart(lines[0] if cause else f"the application did not start ({lines[-1]}): see {LOGS}/serve")

    try:
        yield run
    finally:
        process.kill()
        process.wait()

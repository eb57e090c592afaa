"""Sees to it that no process outlives the service that started it."""

import contextlib
import time
from collections.abc import Iterable

import psutil

GRACE_SECONDS = 5.0
PROBE_SECONDS = 0.05


def descendants() -> list[psutil.Process]:
    """Everything that this process started, and what those started. Ask before the parents among them end."""
    return psutil.Process().children(recursive=True)


def is_running(process: psutil.Process) -> bool:
    """Whether it still does anything: a process that only waits for its parent to notice its end does not."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def wait_for_end(processes: Iterable[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Those that still run when all have ended or the time is over; they need not be children."""
    deadline = time.monotonic() + seconds
    while alive := [process for process in processes if is_running(process)]:
        if time.monotonic() > deadline:
            return alive
        time.sleep(PROBE_SECONDS)
    return []


def end_all(processes: Iterable[psutil.Process], *, grace: float = GRACE_SECONDS) -> None:
    """Return when all are gone: after `grace` seconds they are asked, after twice that they are killed."""
    alive = wait_for_end(processes, grace)
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    alive = wait_for_end(alive, grace)
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    wait_for_end(alive, grace)

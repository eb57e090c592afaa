"""How the processes of the local service end: its own at a signal, and with it all that it started."""

import contextlib
import ctypes
import signal
import time
from collections.abc import Iterable
from types import FrameType

import psutil

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, `raylogue down`, and the end of the terminal."""
GRACE_SECONDS = 5.0
PROBE_SECONDS = 0.05
PR_SET_CHILD_SUBREAPER = 36


class Stopped(BaseException):
    """Raised in the main thread, wherever it is, when the service shall end."""


def stop_at_signals() -> None:
    """Raise Stopped at the first of these signals. Call again after code that sets handlers of its own."""
    for number in STOP_SIGNALS:
        signal.signal(number, _stop)


def ignore_signals() -> None:
    """From now on none of these signals does anything: the way out is short and bounded, and is gone to its end."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def hold_signals() -> None:
    """Keep these signals waiting, also for the program that this process becomes, until `release_signals`."""
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)


def release_signals() -> None:
    """Let the signals that have waited, and all later ones, come."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)


def _stop(_number: int, _frame: FrameType | None) -> None:
    ignore_signals()
    raise Stopped


def adopt_orphans() -> None:
    """What this process has started stays below it, even when the process in between ends: so all of it is found."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def descendants() -> list[psutil.Process]:
    """Everything that this process started, and what those started. Ask before the parents among them end."""
    return psutil.Process().children(recursive=True)


def is_running(process: psutil.Process) -> bool:
    """Whether it still does anything; a zombie, which only waits for its parent to notice its end, does not."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def wait_for_end(processes: Iterable[psutil.Process], seconds: float) -> list[psutil.Process]:
    """The processes that still run when all have ended or the time is over; they need not be children."""
    deadline = time.monotonic() + seconds
    while alive := [process for process in processes if is_running(process)]:
        if time.monotonic() > deadline:
            return alive
        time.sleep(PROBE_SECONDS)
    return []


def end_all(processes: Iterable[psutil.Process], *, grace: float = GRACE_SECONDS) -> None:
    """Return when all are gone: after `grace` seconds they are asked to end, after twice that they are killed."""
    alive = wait_for_end(processes, grace)
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    alive = wait_for_end(alive, grace)
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    wait_for_end(alive, grace)

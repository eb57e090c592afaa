"""Starts processes for a measurement, and ends them with all their descendants when it is over."""

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from deployments.local.processes import descendants, end_all

ROOT = Path(__file__).parent.parent
START_SECONDS = 300.0
STOP_SECONDS = 60.0
PAUSE_SECONDS = 0.1
OURS = ("RAYLOGUE_", "ANTHROPIC_", "RAY_")
PR_SET_CHILD_SUBREAPER = 36


class CannotMeasure(Exception):
    """A process that the measurement needs did not start."""


def adopt_orphans() -> None:
    """Have orphaned descendants become children of this process, so that they are found and ended."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


@contextmanager
def running(
    command: Sequence[str], environment: Mapping[str, str], code: Path = ROOT
) -> Iterator[subprocess.Popen[bytes]]:
    """A process in an environment without the caller's settings; it ends with the block, with all its descendants.

    `code` is the folder of the product that it runs.

    If the block raises CannotMeasure, the output of the process is shown.
    """
    earlier = set(descendants())
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    with tempfile.TemporaryFile() as output:
        env = {**inherited, "PYTHONPATH": str(code), **environment}
        process = subprocess.Popen(command, cwd=code, env=env, stdout=output, stderr=output)
        try:
            yield process
        except CannotMeasure:
            output.seek(0)
            sys.stderr.buffer.write(output.read())
            raise
        finally:
            _stop(process)
            end_all([found for found in descendants() if found not in earlier], grace=1.0)


def wait_for(process: subprocess.Popen[bytes], ready: Callable[[], str | None]) -> str:
    """Wait until `ready` returns something; returns that. Raises CannotMeasure."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if (found := ready()) is not None:
            return found
        time.sleep(PAUSE_SECONDS)
    raise CannotMeasure(f"did not start: {process.args!r}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)
    process.kill()
    process.wait()

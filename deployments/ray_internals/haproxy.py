"""Runs in the place of Serve's HAProxy: corrects its configuration, then becomes it and dies with Serve."""

import ctypes
import os
import re
import signal
import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

PR_SET_PDEATHSIG = 1
PUBLIC_BIND = re.compile(r"^(\s*bind\s+)(?:\*|0\.0\.0\.0|\[?::\]?)?:(\d+)", re.MULTILINE)
NO_ROUTE = re.compile(r"^(\s*http-request return) status 404 .*Path .*not found.*$", re.MULTILINE)


def bind_to_loopback(configuration: str) -> str:
    """The configuration with all listeners on the loopback interface, for a single machine.

    Serve can be told where its front end listens, but not its statistics and its metrics.
    """
    return PUBLIC_BIND.sub(r"\g<1>127.0.0.1:\g<2>", configuration)


def answer_unknown_routes_later(configuration: str) -> str:
    """The configuration with 503 and Retry-After for unknown routes, instead of 404.

    A front end that has just started knows no routes until Serve names them: 404 would say of every conversation that
    it does not exist.
    """
    return NO_ROUTE.sub(
        r'\1 status 503 content-type text/plain string "The service is starting.\\n" hdr Retry-After 1', configuration
    )


def configuration_files(arguments: Sequence[str]) -> list[Path]:
    """The files that HAProxy's `-f` options name."""
    return [Path(value) for flag, value in pairwise(arguments) if flag == "-f"]


def die_with_parent() -> None:
    """Ask the kernel to end this process, whatever program it runs, when Serve's process dies."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def become(binary: str, arguments: Sequence[str], *corrections: Callable[[str], str]) -> None:
    """Never returns: the process becomes `binary`."""
    for file in configuration_files(arguments):
        configuration = file.read_text()
        for correct in corrections:
            configuration = correct(configuration)
        file.write_text(configuration)
    die_with_parent()
    os.execv(binary, [binary, *arguments])  # noqa: S606 - the binary that Serve would have run itself


if __name__ == "__main__":
    become(sys.argv[1], sys.argv[2:], bind_to_loopback, answer_unknown_routes_later)

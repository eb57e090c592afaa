"""Runs in the place of Serve's HAProxy: corrects its configuration, then becomes it and dies with Serve."""

import ctypes
import json
import os
import re
import resource
import signal
import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

PR_SET_PDEATHSIG = 1
PUBLIC_BIND = re.compile(r"^(\s*bind\s+)(?:\*|0\.0\.0\.0|\[?::\]?)?:(\d+)", re.MULTILINE)
NO_ROUTE = re.compile(r"^(\s*http-request return) status 404 .*Path .*not found.*$", re.MULTILINE)
OWN_ERRORS = re.compile(r"^\s*errorfile \d+ .*\n", re.MULTILINE)
DEFAULTS = re.compile(r"^defaults$", re.MULTILINE)
MAX_CONNECTIONS = re.compile(r"^(\s*maxconn )(\d+)$", re.MULTILINE)

PUBLIC_FRONT = re.compile(r"^frontend http_frontend\n(?:    bind .*\n)+", re.MULTILINE)

HEAD_SECONDS = 5
"""How long a connection may take until a request has begun and its head is there; one that says nothing is closed."""
SPARE_FILES = 256
"""What HAProxy opens beside its connections: listeners, checks of the replicas, some for each thread."""


class ErrorAnswer(NamedTuple):
    """What HAProxy says in its own name; `code`, `status` and `title` are those of the API's problem."""

    status: int
    reason: str
    code: str
    title: str
    detail: str
    retry_after: int

    @property
    def body(self) -> str:
        """The problem as JSON, without `instance`: the address is not known to a fixed answer."""
        problem = {"type": f"urn:raylogue:problem:{self.code}", "title": self.title, "status": self.status}
        return json.dumps({**problem, "detail": self.detail})

    def as_http(self) -> str:
        """The whole response, as HAProxy reads it from a file."""
        head = [
            f"HTTP/1.1 {self.status} {self.reason}",
            "Content-Type: application/problem+json",
            f"Content-Length: {len(self.body)}",
            "Cache-Control: no-cache",
            f"Retry-After: {self.retry_after}",
        ]
        return "\r\n".join([*head, "", self.body])


UNAVAILABLE = "The service cannot answer now"
STARTING = ErrorAnswer(503, "Service Unavailable", "unavailable", UNAVAILABLE, "The service is starting.", 1)
BROKEN_OFF = ErrorAnswer(
    503,
    "Service Unavailable",
    "unavailable",
    UNAVAILABLE,
    "No replica of the service can be reached, or the one that had the request has died; try again.",
    1,
)
STOPPED = ErrorAnswer(
    408, "Request Timeout", "request_timeout", "The request did not arrive in time", "It stopped in the middle.", 1
)
ERROR_ANSWERS = {400: STOPPED, 408: STOPPED, 500: BROKEN_OFF, 502: BROKEN_OFF, 503: BROKEN_OFF, 504: BROKEN_OFF}
"""By the status with which HAProxy would answer; 400 is a body that does not arrive whole.

A head that is not valid HTTP never becomes a request: it gets a page of HAProxy, 400 or 408, which cannot be changed.
"""


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
    body, seconds = STARTING.body, STARTING.retry_after
    answer = f"status 503 content-type application/problem+json string '{body}' hdr Retry-After {seconds}"
    return NO_ROUTE.sub(lambda found: f"{found[1]} {answer}", configuration)


def answer_errors_with_problems(configuration: str, directory: Path) -> str:
    """The configuration with the files of `write_error_answers` for what HAProxy says in its own name.

    Serve lets it say 500 in plain text when no replica answers, which no client takes for something that passes.
    """
    files = "\n".join(f"    errorfile {status} {_error_file(directory, status)}" for status in ERROR_ANSWERS)
    return DEFAULTS.sub(f"defaults\n{files}", OWN_ERRORS.sub("", configuration))


def close_idle_first(configuration: str) -> str:
    """The configuration in which connections without a request leave room for the others, before all are taken.

    A connection that sends no request is closed after `HEAD_SECONDS`, without a word: browsers open such ones ahead of
    need. While more than half of all connections are taken, each is closed after its answer instead of being kept. A
    request that is under way, such as an event stream, is left alone.
    """
    most = MAX_CONNECTIONS.search(configuration)
    if most is None:
        return configuration
    limits = f"    timeout http-request {HEAD_SECONDS}s\n    option http-ignore-probes"
    rule = f"    http-after-response set-header Connection close if {{ fe_conn gt {int(most[2]) // 2} }}\n"
    limited = DEFAULTS.sub(f"defaults\n{limits}", configuration)
    return PUBLIC_FRONT.sub(lambda found: found[0] + rule, limited)


def name_the_client(configuration: str) -> str:
    """The configuration that tells the replicas in `X-Forwarded-For` who is at the other end; the audit has it."""
    return DEFAULTS.sub("defaults\n    option forwardfor", configuration)


def files_for(connections: int) -> int:
    """How many open files HAProxy needs: two for each connection, and the pipes through which it splices."""
    return 5 * connections // 2 + SPARE_FILES


def connections_within(files: int) -> int:
    """For how many connections so many open files are enough; with more, HAProxy does not start."""
    return max(1, (files - SPARE_FILES) * 2 // 5)


def allowed_files() -> int | None:
    """How many files a process of this user may open at most; None: any number."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if most == resource.RLIM_INFINITY else most


def keep_within_files(configuration: str, files: int | None) -> str:
    """The configuration with as few connections as so many open files are enough for; says so on standard error."""
    if files is None:
        return configuration

    def bound(found: re.Match[str]) -> str:
        wanted, possible = int(found[2]), connections_within(files)
        if wanted <= possible:
            return found[0]
        needed = files_for(wanted)
        sys.stderr.write(f"{wanted} connections need {needed} open files, {files} are allowed: {possible} it is\n")
        return f"{found[1]}{possible}"

    return MAX_CONNECTIONS.sub(bound, configuration)


def write_error_answers(directory: Path) -> None:
    """Write the files that `answer_errors_with_problems` names."""
    for status, answer in ERROR_ANSWERS.items():
        file = _error_file(directory, status)
        written = file.with_name(f"{file.name}.{os.getpid()}")
        written.write_text(answer.as_http())
        written.replace(file)  # another HAProxy may be reading it


def configuration_files(arguments: Sequence[str]) -> list[Path]:
    """The files that HAProxy's `-f` options name."""
    return [Path(value) for flag, value in pairwise(arguments) if flag == "-f"]


def die_with_parent() -> None:
    """Ask the kernel to end this process, whatever program it runs, when Serve's process dies."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def become(binary: str, arguments: Sequence[str], *corrections: Callable[[str], str]) -> None:
    """Never returns: the process becomes `binary`, with what every HAProxy needs corrected and with `corrections`."""
    for file in configuration_files(arguments):
        configuration = file.read_text()
        for correct in (answer_unknown_routes_later, *corrections):
            configuration = correct(configuration)
        configuration = name_the_client(close_idle_first(keep_within_files(configuration, allowed_files())))
        write_error_answers(file.parent)
        file.write_text(answer_errors_with_problems(configuration, file.parent))
    die_with_parent()
    os.execv(binary, [binary, *arguments])  # noqa: S606 - the binary that Serve would have run itself


def _error_file(directory: Path, status: int) -> Path:
    return directory / f"error-{status}.http"


if __name__ == "__main__":
    become(sys.argv[1], sys.argv[2:], bind_to_loopback)

"""CPU time and memory of the server processes by role, from /proc/PID/stat and smaps_rollup."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import psutil

REPLICA = "Serve replica"
SHARED = "shared hosts"
DEDICATED = "dedicated actors"
HAPROXY = "HAProxy"
VALKEY = "Valkey"
APPLICATION = "uvicorn workers"
RAY = "rest of Ray"

# The first pattern found in a process's title or command line names its role. Ray calls an actor's process after
# the actor. So a shared host is recognised by its name, and before it has one by its class.
ROLES: Mapping[str, str] = {
    r"^ray::ServeReplica": REPLICA,
    r"^ray::conversation:": DEDICATED,
    r"^ray::(?:host:|Host)": SHARED,
    r"valkey-server": VALKEY,
    r"haproxy ": HAPROXY,
    r"uvicorn|multiprocessing\.spawn": APPLICATION,
    r"": RAY,
}

ByRole = Mapping[str, float]


def role_of(command_line: str) -> str:
    """The first role whose pattern matches the command line."""
    return next(role for pattern, role in ROLES.items() if re.search(pattern, command_line))


def processes(roots: Sequence[int]) -> Iterator[tuple[str, psutil.Process]]:
    """The processes `roots` and their living descendants, each with its role."""
    parents = [psutil.Process(root) for root in roots]
    for process in [*parents, *(child for parent in parents for child in parent.children(recursive=True))]:
        try:
            yield role_of(" ".join(process.cmdline())), process
        except psutil.Error:
            continue  # it has just ended


def cpu_seconds(roots: Sequence[int]) -> ByRole:
    """User and system time so far of the processes `roots` and their living descendants."""
    return _count(roots, lambda process: sum(process.cpu_times()[:2]))


def memory_bytes(roots: Sequence[int]) -> ByRole:
    """Memory of the processes `roots` and their descendants; shared pages count proportionally (PSS)."""
    return _count(roots, lambda process: _proportional_set(process.pid))


def growth(before: ByRole, after: ByRole) -> ByRole:
    """The difference; without the processes that have ended meanwhile."""
    return {role: after.get(role, 0) - before.get(role, 0) for role in {**before, **after}}


def _count(roots: Sequence[int], amount: Callable[[psutil.Process], float]) -> ByRole:
    total: defaultdict[str, float] = defaultdict(float)
    for role, process in processes(roots):
        try:
            total[role] += amount(process)
        except (psutil.Error, ProcessLookupError, FileNotFoundError):
            continue  # it has just ended
    return total


def _proportional_set(pid: int) -> int:
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    found = re.search(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0

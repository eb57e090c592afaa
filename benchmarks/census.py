"""Who the server processes are and what they use: CPU time from /proc/PID/stat, memory from smaps_rollup, by role."""

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

REPLICA = "Serve replica"
ACTORS = "conversation actors"
HAPROXY = "HAProxy"
VALKEY = "Valkey"
APPLICATION = "uvicorn workers"
RAY = "rest of Ray"

# The first pattern found in a process's title or command line names its role.
ROLES: Mapping[str, str] = {
    r"^ray::ServeReplica": REPLICA,
    r"^ray::(?:Host|host:|conversation:)": ACTORS,
    r"valkey-server": VALKEY,
    r"haproxy ": HAPROXY,
    r"uvicorn|multiprocessing\.spawn": APPLICATION,
    r"": RAY,
}

ByRole = Mapping[str, float]


def role_of(command_line: str) -> str:
    """The first role whose pattern the command line shows."""
    return next(role for pattern, role in ROLES.items() if re.search(pattern, command_line))


def cpu_seconds(roots: Sequence[int]) -> ByRole:
    """User and system time so far of the processes `roots` and their living descendants."""
    return _count(roots, lambda process: sum(process.cpu_times()[:2]))


def memory_bytes(roots: Sequence[int]) -> ByRole:
    """Memory of the processes `roots` and their descendants; what is shared counts by shares (PSS)."""
    return _count(roots, lambda process: _proportional_set(process.pid))


def growth(before: ByRole, after: ByRole) -> ByRole:
    """What came in between; a process that ended meanwhile takes its part with it."""
    return {role: after.get(role, 0) - before.get(role, 0) for role in {**before, **after}}


def _count(roots: Sequence[int], amount: Callable[[psutil.Process], float]) -> ByRole:
    total: defaultdict[str, float] = defaultdict(float)
    parents = [psutil.Process(root) for root in roots]
    children = [child for parent in parents for child in parent.children(recursive=True)]
    for process in [*parents, *children]:
        try:
            total[role_of(" ".join(process.cmdline()))] += amount(process)
        except (psutil.Error, ProcessLookupError, FileNotFoundError):
            continue  # it has ended just now
    return total


def _proportional_set(pid: int) -> int:
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    found = re.search(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0

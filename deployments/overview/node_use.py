"""How much of its node's processor and memory is in use, as a process on it sees it: a container's, if it is in one."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import psutil

from deployments.ray_internals.memory_usage import memory_in_use
from deployments.routing.host_reports import NodeUse

CGROUP: Final = Path("/sys/fs/cgroup")
MIN_INTERVAL_SECONDS: Final = 1.0
"""What is measured over less time says little; the share of the interval before is told again."""


class ProcessorUse:
    """The share of all cores that is in use, between the last two calls that were far enough apart.

    `clock` and what `busy` reads count seconds, the latter of all cores together.
    """

    def __init__(self, busy: Callable[[], float], cores: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._busy, self._clock, self._cores = busy, clock, cores
        self._at, self._used = clock(), busy()
        self._share: float | None = None

    def share(self) -> float | None:
        """Between 0 and 1; None as long as too little time has passed to say."""
        at = self._clock()
        if at - self._at >= MIN_INTERVAL_SECONDS:
            used = self._busy()
            self._share = min(1.0, max(0.0, (used - self._used) / (self._cores * (at - self._at))))
            self._at, self._used = at, used
        return self._share


class NodeUseReader:
    """Of the node on which this process runs."""

    def __init__(self, cgroup: Path = CGROUP) -> None:
        self._cgroup = cgroup
        limit = container_cores(cgroup)
        self._cores = limit or float(psutil.cpu_count() or 1)
        self._processor = ProcessorUse(_busy_seconds if limit is None else self._busy_in_container, self._cores)

    def read(self) -> NodeUse:
        """What is in use now; the processor since this was asked before, or since this process has begun."""
        used, size = memory_in_use()
        return NodeUse(processor=self._processor.share(), cores=self._cores, memory_used=used, memory_size=size)

    def _busy_in_container(self) -> float:
        """All processor time that the container has used, in seconds."""
        lines = (self._cgroup / "cpu.stat").read_text().splitlines()
        return int(dict(line.split() for line in lines)["usage_usec"]) / 1e6


def container_cores(cgroup: Path = CGROUP) -> float | None:
    """How many cores a container may use, None if that is not limited (cgroup v2; v1 does not count as a limit)."""
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
        (cgroup / "cpu.stat").read_text()
    except (OSError, ValueError):
        return None
    return None if quota == "max" else int(quota) / int(period)


def _busy_seconds() -> float:
    """The time that the machine's cores have worked, together; `iowait` is time in which a core is free."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - times.iowait - times.guest - times.guest_nice)

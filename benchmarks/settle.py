"""Waits until the servers have finished background work, such as starting warm workers: it belongs to no turn."""

import asyncio
import time
from collections.abc import Sequence

from benchmarks.process_stats import cpu_seconds, growth

MAX_IDLE_SHARE = 0.12
"""Of one core. Ray's own services use some CPU time even when nothing happens."""
PROBE_SECONDS = 1.0


async def settle(roots: Sequence[int], max_seconds: float) -> None:
    """Wait until the servers have used almost no CPU time for a second, at most `max_seconds`."""
    deadline = time.monotonic() + max_seconds
    while time.monotonic() < deadline and await used_share(roots, PROBE_SECONDS) > MAX_IDLE_SHARE:
        continue


async def used_share(roots: Sequence[int], seconds: float) -> float:
    """The share of one core that the servers use in the next `seconds`."""
    before, begin = cpu_seconds(roots), time.perf_counter()
    await asyncio.sleep(seconds)
    return sum(growth(before, cpu_seconds(roots)).values()) / (time.perf_counter() - begin)

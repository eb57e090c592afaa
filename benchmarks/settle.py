"""Waits until the servers have done what nobody waits for: a process started ahead of need is not part of a turn."""

import asyncio
import time
from collections.abc import Sequence

from benchmarks.process_stats import cpu_seconds, growth

QUIET_SHARE = 0.12
"""Of one core. Ray's own services use some of it even when nothing happens."""
PROBE_SECONDS = 1.0


async def calm(roots: Sequence[int], patience: float) -> None:
    """Return when the servers have used next to nothing for a second, or after `patience` seconds."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline and await used_share(roots, PROBE_SECONDS) > QUIET_SHARE:
        continue


async def used_share(roots: Sequence[int], seconds: float) -> float:
    """The share of one core that the servers use in the next seconds."""
    before, begin = cpu_seconds(roots), time.perf_counter()
    await asyncio.sleep(seconds)
    return sum(growth(before, cpu_seconds(roots)).values()) / (time.perf_counter() - begin)

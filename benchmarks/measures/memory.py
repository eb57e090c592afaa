"""What living conversations that nobody talks to keep in memory, each with 20 events in its log."""

import asyncio
from collections.abc import Sequence

from benchmarks.activation import NotWoken, wake
from benchmarks.figures import MEGABYTES, Figure
from benchmarks.logs import opened, write_idle
from benchmarks.process_stats import DEDICATED, REPLICA, SHARED, VALKEY, ByRole, memory_bytes, processes
from benchmarks.settle import calm
from benchmarks.size import Size
from benchmarks.subjects import Subject

MEGABYTE = 1024**2
AT_ONCE = {"shared": 32, "dedicated": 2}
REPORTED_SECONDS = 3.0
"""After so long every host has told the store how many live in it."""


async def measure(subject: Subject, size: Size) -> list[Figure]:
    """So many live, then so many more."""
    return await (_shared if subject.placement == "shared" else _dedicated)(subject, size)


async def _shared(subject: Subject, size: Size) -> list[Figure]:
    """What one host takes that has a single conversation counts as empty, and once for each host."""
    idle = await write_idle(subject, max(size.living))
    await wake(subject, idle[:1], 1)
    await calm(subject.roots, size.calm_seconds)
    before, woken = memory_bytes(subject.roots), 1
    hosts = _hosts(subject)
    empty = before[SHARED] / hosts
    figures = [Figure("Memory of an empty shared host", MEGABYTES, empty / MEGABYTE)]
    for count in size.living:
        await wake(subject, idle[woken:count], AT_ONCE["shared"])
        woken = count
        await _check_that_they_live(subject, count)
        await calm(subject.roots, size.calm_seconds)
        now = memory_bytes(subject.roots)
        beyond = now[SHARED] - _hosts(subject) * empty
        crowd = f"{count:,} live idle conversations"
        figures += [
            Figure(f"Memory beyond the empty hosts, {crowd}", MEGABYTES, beyond / MEGABYTE),
            Figure(f"– each, of {count:,}", "kB", beyond / 1024 / count),
            Figure(f"– shared hosts for {count:,}", "", _hosts(subject)),
            *_others(before, now, f"{count:,}"),
        ]
    return figures


async def _dedicated(subject: Subject, size: Size) -> list[Figure]:
    idle = await write_idle(subject, size.conversations)
    await calm(subject.roots, size.calm_seconds)
    before = memory_bytes(subject.roots)
    await wake(subject, idle, AT_ONCE["dedicated"])
    await calm(subject.roots, size.calm_seconds)
    now = memory_bytes(subject.roots)
    crowd = f"{len(idle)} live idle conversations"
    figures = [
        Figure(f"Memory of a dedicated actor, {crowd}", MEGABYTES, now[DEDICATED] / MEGABYTE / len(idle)),
        *_others(before, now, f"{len(idle)}"),
    ]
    await subject.delete(idle)
    return figures


def _others(before: ByRole, now: ByRole, crowd: str) -> Sequence[Figure]:
    """What the rest of the service has grown by."""
    return [
        Figure(f"– {role}, growth for {crowd}", MEGABYTES, (now[role] - before[role]) / MEGABYTE)
        for role in (REPLICA, VALKEY)
    ]


def _hosts(subject: Subject) -> int:
    return sum(role == SHARED for role, _ in processes(subject.roots))


async def _check_that_they_live(subject: Subject, count: int) -> None:
    """Raises `NotWoken` when the hosts have fewer."""
    await asyncio.sleep(REPORTED_SECONDS)
    async with opened(subject) as store:
        living = sum((await store.hosts.loads()).values())
    if living < count:
        raise NotWoken(f"only {living} of {count} conversations live")

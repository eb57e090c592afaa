"""The memory of active, idle conversations, each with 20 events in its log."""

import asyncio
from collections.abc import Sequence

from benchmarks.activation import NotActivated, activate
from benchmarks.figures import MEGABYTES, Figure
from benchmarks.logs import open_store, write_idle
from benchmarks.process_stats import DEDICATED, REPLICA, SHARED, VALKEY, ByRole, memory_bytes, processes
from benchmarks.settle import settle
from benchmarks.size import Size
from benchmarks.subjects import Subject

MEGABYTE = 1024**2
MAX_AT_ONCE = {"shared": 32, "dedicated": 2}
REPORTED_SECONDS = 3.0
"""After this time every host has reported to the store how many conversations are active in it."""


async def measure(subject: Subject, size: Size) -> list[Figure]:
    """Activate some conversations, then more."""
    return await (_shared if subject.placement == "shared" else _dedicated)(subject, size)


async def _shared(subject: Subject, size: Size) -> list[Figure]:
    """The memory of a host with a single conversation counts as that of an empty host, for each host."""
    idle = await write_idle(subject, max(size.living))
    await activate(subject, idle[:1], 1)
    await settle(subject.roots, size.settle_seconds)
    before, activated = memory_bytes(subject.roots), 1
    hosts = _hosts(subject)
    empty = before[SHARED] / hosts
    figures = [Figure("Memory of an empty shared host", MEGABYTES, empty / MEGABYTE)]
    for count in size.living:
        await activate(subject, idle[activated:count], MAX_AT_ONCE["shared"])
        activated = count
        await _check_active(subject, count)
        await settle(subject.roots, size.settle_seconds)
        now = memory_bytes(subject.roots)
        beyond = now[SHARED] - _hosts(subject) * empty
        label = f"{count:,} live idle conversations"
        figures += [
            Figure(f"Memory beyond the empty hosts, {label}", MEGABYTES, beyond / MEGABYTE),
            Figure(f"– each, of {count:,}", "kB", beyond / 1024 / count),
            Figure(f"– shared hosts for {count:,}", "", _hosts(subject)),
            *_others(before, now, f"{count:,}"),
        ]
    return figures


async def _dedicated(subject: Subject, size: Size) -> list[Figure]:
    idle = await write_idle(subject, size.conversations)
    await settle(subject.roots, size.settle_seconds)
    before = memory_bytes(subject.roots)
    await activate(subject, idle, MAX_AT_ONCE["dedicated"])
    await settle(subject.roots, size.settle_seconds)
    now = memory_bytes(subject.roots)
    label = f"{len(idle)} live idle conversations"
    figures = [
        Figure(f"Memory of a dedicated actor, {label}", MEGABYTES, now[DEDICATED] / MEGABYTE / len(idle)),
        *_others(before, now, f"{len(idle)}"),
    ]
    await subject.delete(idle)
    return figures


def _others(before: ByRole, now: ByRole, label: str) -> Sequence[Figure]:
    """The growth of the other processes of the service."""
    return [
        Figure(f"– {role}, growth for {label}", MEGABYTES, (now[role] - before[role]) / MEGABYTE)
        for role in (REPLICA, VALKEY)
    ]


def _hosts(subject: Subject) -> int:
    return sum(role == SHARED for role, _ in processes(subject.roots))


async def _check_active(subject: Subject, count: int) -> None:
    """Raises `NotActivated` if the hosts have fewer active conversations."""
    await asyncio.sleep(REPORTED_SECONDS)
    async with open_store(subject) as store:
        living = sum((await store.hosts.loads()).values())
    if living < count:
        raise NotActivated(f"only {living} of {count} conversations live")

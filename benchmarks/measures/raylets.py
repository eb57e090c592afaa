"""Concurrent conversations in a cluster with more nodes; on one machine the raylets share the same cores."""

from benchmarks.chat import chats
from benchmarks.figures import Figure
from benchmarks.measures.concurrent import open_all, run_turns
from benchmarks.nodes import joined
from benchmarks.process_stats import SHARED, processes
from benchmarks.settle import settle
from benchmarks.size import Size
from benchmarks.subjects import Subject


async def measure(subject: Subject, size: Size) -> list[Figure]:
    """Measure the same number of new conversations, with more nodes each time."""
    figures: list[Figure] = []
    for raylets in size.raylets:
        with joined(subject, raylets - 1) as cluster:
            await settle(cluster.roots, size.settle_seconds)
            figures += await _measure_with(cluster, size, f"{size.conversations} conversations on {raylets} raylets")
    return figures


async def _measure_with(cluster: Subject, size: Size, label: str) -> list[Figure]:
    async with chats(cluster) as clients:
        await open_all(cluster, clients, size.conversations)
        await settle(cluster.roots, size.settle_seconds)
        hosts = sum(role == SHARED for role, _ in processes(cluster.roots))
        found = {figure.name: figure for figure in await run_turns(cluster, clients, size.turns, label)}
    kept = (f"Turns a second, {label}", f"Server CPU per turn, {label}", f"Time to first token, {label}, p50")
    return [*(found[name] for name in kept), Figure(f"– shared hosts on {label.rpartition(' on ')[2]}", "", hosts)]

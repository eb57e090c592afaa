"""What becomes of a crowd when the cluster has more nodes; on one machine more raylets share the same cores."""

from benchmarks.chat import chats
from benchmarks.figures import Figure
from benchmarks.measures.crowd import open_all, talk
from benchmarks.nodes import joined
from benchmarks.process_stats import SHARED, processes
from benchmarks.settle import calm
from benchmarks.size import Size
from benchmarks.subjects import Subject


async def measure(subject: Subject, size: Size) -> list[Figure]:
    """The same number of new conversations each time, spread over the nodes that there are."""
    figures: list[Figure] = []
    for raylets in size.raylets:
        with joined(subject, raylets - 1) as cluster:
            await calm(cluster.roots, size.calm_seconds)
            figures += await _crowd(cluster, size, f"{size.conversations} conversations on {raylets} raylets")
    return figures


async def _crowd(cluster: Subject, size: Size, crowd: str) -> list[Figure]:
    async with chats(cluster) as begun:
        await open_all(cluster, begun, size.conversations)
        await calm(cluster.roots, size.calm_seconds)
        hosts = sum(role == SHARED for role, _ in processes(cluster.roots))
        found = {figure.name: figure for figure in await talk(cluster, begun, size.turns, crowd)}
    kept = (f"Turns a second, {crowd}", f"Server CPU per turn, {crowd}", f"Time to first token, {crowd}, p50")
    return [*(found[name] for name in kept), Figure(f"– shared hosts on {crowd.rpartition(' on ')[2]}", "", hosts)]

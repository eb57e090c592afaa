"""Whether streams keep pace: the model gives a token every 20 ms, a second in all, and each answer has 1.3 s."""

import asyncio
from collections.abc import Sequence

from benchmarks.chat import Chat, Timing, chats
from benchmarks.figures import MILLISECONDS, PERCENT, Figure, spread
from benchmarks.measures.crowd import open_all
from benchmarks.model import PACE_SECONDS, TOKENS
from benchmarks.process_stats import cpu_seconds, growth
from benchmarks.settle import calm
from benchmarks.size import Size
from benchmarks.subjects import Subject

PATIENCE_SECONDS = 1.3


async def measure(subject: Subject, size: Size) -> list[Figure]:
    """So many talk at once, each saying the next as soon as it has its answer; then so many more."""
    figures: list[Figure] = []
    async with chats(subject) as begun:
        for count in size.paced:
            await open_all(subject, begun, count - len(begun), paced=True)
            await calm(subject.roots, size.calm_seconds)
            figures += await _pace(subject, begun, size.paced_turns)
    return figures


async def _pace(subject: Subject, begun: Sequence[Chat], turns: int) -> list[Figure]:
    before = cpu_seconds(subject.roots)
    rows = await asyncio.gather(
        *(_talk(chat, turns, TOKENS * PACE_SECONDS * number / len(begun)) for number, chat in enumerate(begun))
    )
    used = sum(growth(before, cpu_seconds(subject.roots)).values())
    whole = [timing.whole for row in rows for timing in row]
    crowd = f"{len(begun)} paced streams"
    in_time = sum(seconds <= PATIENCE_SECONDS for seconds in whole)
    return [
        Figure(f"Finished within {PATIENCE_SECONDS} s, {crowd}", PERCENT, 100 * in_time / len(whole)),
        *spread(f"Turn time, {crowd}", whole),
        Figure(f"Server CPU per turn, {crowd}", MILLISECONDS, 1000 * used / len(whole)),
    ]


async def _talk(chat: Chat, turns: int, begin: float) -> list[Timing]:
    """The conversations begin one after another in the time of one answer, as people do."""
    await asyncio.sleep(begin)
    return [await chat.turn() for _ in range(turns)]

"""Whether streams keep pace: the model gives a token every 20 ms for one second, and each answer may take 1.3 s."""

import asyncio
from collections.abc import Sequence

from benchmarks.chat import ChatClient, Timing, chats
from benchmarks.figures import MILLISECONDS, PERCENT, Figure, spread
from benchmarks.measures.concurrent import open_all
from benchmarks.model import PACE_SECONDS, TOKENS
from benchmarks.process_stats import cpu_seconds, growth
from benchmarks.settle import settle
from benchmarks.size import Size
from benchmarks.subjects import Subject

MAX_TURN_SECONDS = 1.3


async def measure(subject: Subject, size: Size) -> list[Figure]:
    """Some clients at once, each sending its next message after its answer; then more clients."""
    figures: list[Figure] = []
    async with chats(subject) as clients:
        for count in size.paced:
            await open_all(subject, clients, count - len(clients), paced=True)
            await settle(subject.roots, size.settle_seconds)
            figures += await _measure_pace(subject, clients, size.paced_turns)
    return figures


async def _measure_pace(subject: Subject, clients: Sequence[ChatClient], turns: int) -> list[Figure]:
    before = cpu_seconds(subject.roots)
    rows = await asyncio.gather(
        *(_run_turns(chat, turns, TOKENS * PACE_SECONDS * number / len(clients)) for number, chat in enumerate(clients))
    )
    used = sum(growth(before, cpu_seconds(subject.roots)).values())
    whole = [timing.whole for row in rows for timing in row]
    label = f"{len(clients)} paced streams"
    in_time = sum(seconds <= MAX_TURN_SECONDS for seconds in whole)
    return [
        Figure(f"Finished within {MAX_TURN_SECONDS} s, {label}", PERCENT, 100 * in_time / len(whole)),
        *spread(f"Turn time, {label}", whole),
        Figure(f"Server CPU per turn, {label}", MILLISECONDS, 1000 * used / len(whole)),
    ]


async def _run_turns(chat: ChatClient, turns: int, begin: float) -> list[Timing]:
    """The turns of one client; the clients begin at different times, spread over the time of one answer."""
    await asyncio.sleep(begin)
    return [await chat.turn() for _ in range(turns)]

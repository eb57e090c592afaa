"""What many conversations at once cost: memory and CPU while they rest, throughput and CPU while all of them talk."""

import asyncio
import time
from collections.abc import Sequence

from benchmarks.chat import Chat, Timing, chats
from benchmarks.figures import MEGABYTES, MILLISECONDS, PERCENT, Figure, spread
from benchmarks.process_stats import ByRole, cpu_seconds, growth, memory_bytes
from benchmarks.settle import calm, used_share
from benchmarks.size import Size
from benchmarks.subjects import Subject

# Starting a process takes a core for a while: more at once would only wait longer.
OPENED_AT_ONCE = 2


async def measure(subject: Subject, size: Size) -> list[Figure]:
    """Open the conversations, let them rest, let all of them talk."""
    crowd = f"{size.conversations} conversations"
    await calm(subject.roots, size.calm_seconds)
    before = memory_bytes(subject.roots)
    async with chats(subject) as begun:
        await open_all(subject, begun, size.conversations)
        await calm(subject.roots, size.calm_seconds)
        resting = await used_share(subject.roots, size.rest_seconds)
        grown = growth(before, memory_bytes(subject.roots))
        talking = await talk(subject, begun, size.turns, crowd)
    return [
        *talking,
        Figure(f"CPU at rest, of one core, {crowd}", PERCENT, 100 * resting),
        Figure(f"Memory per live conversation, {crowd}", MEGABYTES, sum(grown.values()) / 1024**2 / len(begun)),
    ]


async def open_all(subject: Subject, begun: list[Chat], count: int, *, paced: bool = False) -> None:
    """Begin so many conversations in `begun`, and give each its first turn."""
    places = asyncio.Semaphore(OPENED_AT_ONCE)

    async def open_one() -> None:
        async with places:
            chat = await Chat.begin(subject, paced=paced)
            begun.append(chat)
            await chat.first_turn()

    await asyncio.gather(*(open_one() for _ in range(count)))


async def talk(subject: Subject, begun: Sequence[Chat], turns: int, crowd: str) -> list[Figure]:
    """All of them talk at once, the next message as soon as the answer is complete."""
    before, begin = cpu_seconds(subject.roots), time.perf_counter()
    rows = await asyncio.gather(*(_turns(chat, turns) for chat in begun))
    seconds = time.perf_counter() - begin
    used = growth(before, cpu_seconds(subject.roots))
    timings = [timing for row in rows for timing in row]
    return [
        Figure(f"Turns a second, {crowd}", "", len(timings) / seconds),
        *spread(f"Time to first token, {crowd}", [timing.first_token for timing in timings]),
        *spread(f"Turn time, {crowd}", [timing.whole for timing in timings]),
        Figure(f"Server CPU per turn, {crowd}", MILLISECONDS, 1000 * sum(used.values()) / len(timings)),
        *_shares(used, len(timings)),
    ]


async def _turns(chat: Chat, count: int) -> list[Timing]:
    return [await chat.turn() for _ in range(count)]


def _shares(used: ByRole, turns: int) -> list[Figure]:
    """The CPU time of a turn by role, largest first."""
    largest_first = sorted(used.items(), key=lambda item: -item[1])
    return [Figure(f"– {role}", MILLISECONDS, 1000 * seconds / turns) for role, seconds in largest_first if seconds]

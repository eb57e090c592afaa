"""What many conversations at once cost: memory while they rest, throughput and CPU while all of them talk."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, aclosing

from benchmarks.census import ACTORS, ByRole, cpu_seconds, growth, memory_bytes
from benchmarks.chat import Chat, Timing
from benchmarks.figures import MEGABYTES, MILLISECONDS, Figure, spread
from benchmarks.size import Size
from benchmarks.subjects import Subject

# Starting a process takes a core for a while: more at once would only wait longer.
OPENED_AT_ONCE = 2


async def measure(subject: Subject, size: Size) -> list[Figure]:
    """Open the conversations, let them rest, let all of them talk."""
    async with AsyncExitStack() as stack:
        await asyncio.sleep(size.rest_seconds)
        before = memory_bytes(subject.roots)
        chats = await _open(subject, size.conversations, stack)
        resting = await _rest(subject, size.rest_seconds)
        grown = growth(before, memory_bytes(subject.roots))
        talking = await _talk(subject, chats, size.turns)
    return [*talking, resting, *_memory(grown, len(chats))]


async def _open(subject: Subject, count: int, stack: AsyncExitStack) -> list[Chat]:
    places = asyncio.Semaphore(OPENED_AT_ONCE)

    async def open_one() -> Chat:
        async with places:
            chat = await stack.enter_async_context(aclosing(await Chat.begin(subject.url)))
            await chat.first_turn()
            return chat

    return await asyncio.gather(*(open_one() for _ in range(count)))


async def _rest(subject: Subject, seconds: float) -> Figure:
    """The share of one core that the servers use while nobody says anything."""
    await asyncio.sleep(seconds)
    before, begin = cpu_seconds(subject.roots), time.perf_counter()
    await asyncio.sleep(seconds)
    used = sum(growth(before, cpu_seconds(subject.roots)).values())
    return Figure("CPU at rest, of one core", "%", 100 * used / (time.perf_counter() - begin))


async def _talk(subject: Subject, chats: Sequence[Chat], turns: int) -> list[Figure]:
    before, begin = cpu_seconds(subject.roots), time.perf_counter()
    rows = await asyncio.gather(*(_turns(chat, turns) for chat in chats))
    seconds = time.perf_counter() - begin
    used = growth(before, cpu_seconds(subject.roots))
    timings = [timing for row in rows for timing in row]
    crowd = f"{len(chats)} conversations"
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


def _memory(grown: ByRole, conversations: int) -> list[Figure]:
    megabyte = 1024**2 * conversations
    crowd = f"{conversations} conversations"
    whole = Figure(f"Memory per live conversation, {crowd}", MEGABYTES, sum(grown.values()) / megabyte)
    actors = Figure("– in its actor", MEGABYTES, grown.get(ACTORS, 0) / megabyte)
    return [whole, actors] if ACTORS in grown else [whole]

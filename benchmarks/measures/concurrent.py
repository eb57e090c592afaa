"""Many conversations at once: memory and CPU while they are idle, throughput and CPU while all of them have turns."""

import asyncio
import time
from collections.abc import Sequence

from benchmarks.chat import ChatClient, Timing, chats
from benchmarks.figures import MEGABYTES, MILLISECONDS, PERCENT, Figure, spread
from benchmarks.process_stats import ByRole, cpu_seconds, growth, memory_bytes
from benchmarks.settle import settle, used_share
from benchmarks.size import Size
from benchmarks.subjects import Subject

# Starting a process uses a core for a while: more starts at once would only wait longer.
MAX_OPENED_AT_ONCE = 2


async def measure(subject: Subject, size: Size) -> list[Figure]:
    """Open the conversations, measure them idle, then with turns in all of them."""
    label = f"{size.conversations} conversations"
    await settle(subject.roots, size.settle_seconds)
    before = memory_bytes(subject.roots)
    async with chats(subject) as clients:
        await open_all(subject, clients, size.conversations)
        await settle(subject.roots, size.settle_seconds)
        idle_share = await used_share(subject.roots, size.rest_seconds)
        grown = growth(before, memory_bytes(subject.roots))
        turn_figures = await run_turns(subject, clients, size.turns, label)
    return [
        *turn_figures,
        Figure(f"CPU at rest, of one core, {label}", PERCENT, 100 * idle_share),
        Figure(f"Memory per live conversation, {label}", MEGABYTES, sum(grown.values()) / 1024**2 / len(clients)),
    ]


async def open_all(subject: Subject, clients: list[ChatClient], count: int, *, paced: bool = False) -> None:
    """Add `count` conversations to `clients`, each with its first turn."""
    limit = asyncio.Semaphore(MAX_OPENED_AT_ONCE)

    async def open_one() -> None:
        async with limit:
            chat = await ChatClient.begin(subject, paced=paced)
            clients.append(chat)
            await chat.first_turn()

    await asyncio.gather(*(open_one() for _ in range(count)))


async def run_turns(subject: Subject, clients: Sequence[ChatClient], turns: int, label: str) -> list[Figure]:
    """All clients send at once, each its next message as soon as the answer is complete."""
    before, begin = cpu_seconds(subject.roots), time.perf_counter()
    rows = await asyncio.gather(*(_turns(chat, turns) for chat in clients))
    seconds = time.perf_counter() - begin
    used = growth(before, cpu_seconds(subject.roots))
    timings = [timing for row in rows for timing in row]
    return [
        Figure(f"Turns a second, {label}", "", len(timings) / seconds),
        *spread(f"Time to first token, {label}", [timing.first_token for timing in timings]),
        *spread(f"Turn time, {label}", [timing.whole for timing in timings]),
        Figure(f"Server CPU per turn, {label}", MILLISECONDS, 1000 * sum(used.values()) / len(timings)),
        *_shares(used, len(timings)),
    ]


async def _turns(chat: ChatClient, count: int) -> list[Timing]:
    return [await chat.turn() for _ in range(count)]


def _shares(used: ByRole, turns: int) -> list[Figure]:
    """The CPU time per turn by role, largest first; a role that used less than a tick of the kernel's clock has 0."""
    largest_first = sorted(used.items(), key=lambda item: -item[1])
    return [Figure(f"– {role}", MILLISECONDS, 1000 * seconds / turns) for role, seconds in largest_first]

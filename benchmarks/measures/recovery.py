"""How long a running turn stands still when the process that it runs in is killed; nobody asks for it meanwhile."""

import asyncio
import time
from collections.abc import AsyncIterator
from itertools import pairwise

import psutil

from benchmarks.chat import FIRST_TOKEN, Chat, chats
from benchmarks.figures import Figure, spread
from benchmarks.measures.crowd import open_all
from benchmarks.process_stats import DEDICATED, SHARED, processes
from benchmarks.settle import calm
from benchmarks.size import Size
from benchmarks.subjects import Subject

TOKENS_BEFORE = 10
"""The answers are so far on when the process is killed: in the middle, at 20 ms a token."""


async def measure(subject: Subject, size: Size) -> list[Figure]:
    """Kill after kill, each in the middle of an answer; every conversation that was under way is a case."""
    shared = subject.placement == "shared"
    kills, at_once = (size.host_kills, size.turns_per_kill) if shared else (size.actor_kills, 1)
    seconds: list[float] = []
    async with chats(subject) as begun:
        await open_all(subject, begun, at_once, paced=True)
        for _ in range(kills):
            await calm(subject.roots, size.calm_seconds)
            seconds += await _killed(subject, begun)
    return spread("Recovery after SIGKILL", seconds)


async def _killed(subject: Subject, begun: list[Chat]) -> list[float]:
    half_way = [asyncio.Event() for _ in begun]
    turns = [asyncio.create_task(_times(chat.pieces(), event)) for chat, event in zip(begun, half_way, strict=True)]
    for event in half_way:
        await event.wait()
    at = time.perf_counter()
    for process in _owners(subject):
        process.kill()
    return [_goes_on(await turn) - at for turn in turns]


async def _times(pieces: AsyncIterator[bytes], half_way: asyncio.Event) -> list[float]:
    """When tokens came."""
    times: list[float] = []
    async for piece in pieces:
        if FIRST_TOKEN in piece:
            times.append(time.perf_counter())
            if len(times) == TOKENS_BEFORE:
                half_way.set()
    return times


def _goes_on(times: list[float]) -> float:
    """When the longest silence ended: some tokens were still on their way when the process died."""
    return max(pairwise(times), key=lambda pair: pair[1] - pair[0])[1]


def _owners(subject: Subject) -> list[psutil.Process]:
    role = SHARED if subject.placement == "shared" else DEDICATED
    return [process for found, process in processes(subject.roots) if found == role]

"""How long a running turn pauses when its process is killed and no request wakes the conversation."""

import asyncio
import time
from collections.abc import AsyncIterator
from itertools import pairwise

import psutil

from benchmarks.chat import FIRST_TOKEN, ChatClient, chats
from benchmarks.figures import Figure, spread
from benchmarks.measures.concurrent import open_all
from benchmarks.process_stats import DEDICATED, SHARED, processes
from benchmarks.settle import settle
from benchmarks.size import Size
from benchmarks.subjects import Subject

TOKENS_BEFORE = 10
"""The process is killed after this many tokens: in the middle of an answer, at 20 ms a token."""


async def measure(subject: Subject, size: Size) -> list[Figure]:
    """Kill processes, each in the middle of answers; every conversation with a running turn counts."""
    shared = subject.placement == "shared"
    kills, at_once = (size.host_kills, size.turns_per_kill) if shared else (size.actor_kills, 1)
    seconds: list[float] = []
    async with chats(subject) as clients:
        await open_all(subject, clients, at_once, paced=True)
        for _ in range(kills):
            await settle(subject.roots, size.settle_seconds)
            seconds += await _recover(subject, clients)
    return spread("Recovery after SIGKILL", seconds)


async def _recover(subject: Subject, clients: list[ChatClient]) -> list[float]:
    reached = [asyncio.Event() for _ in clients]
    turns = [
        asyncio.create_task(_token_times(chat.read_pieces(), event))
        for chat, event in zip(clients, reached, strict=True)
    ]
    for event in reached:
        await event.wait()
    at = time.perf_counter()
    for process in _owners(subject):
        process.kill()
    return [_end_of_longest_pause(await turn) - at for turn in turns]


async def _token_times(pieces: AsyncIterator[bytes], reached: asyncio.Event) -> list[float]:
    """The times at which tokens came; sets `reached` after the first `TOKENS_BEFORE`."""
    times: list[float] = []
    async for piece in pieces:
        if FIRST_TOKEN in piece:
            times.append(time.perf_counter())
            if len(times) == TOKENS_BEFORE:
                reached.set()
    return times


def _end_of_longest_pause(times: list[float]) -> float:
    """The end of the longest pause; some tokens may still arrive after the process has died."""
    return max(pairwise(times), key=lambda pair: pair[1] - pair[0])[1]


def _owners(subject: Subject) -> list[psutil.Process]:
    role = SHARED if subject.placement == "shared" else DEDICATED
    return [process for found, process in processes(subject.roots) if found == role]

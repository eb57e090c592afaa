"""Faults of the store: the server dies or freezes, connections break or are refused, an answer is lost on its way."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.chaos.world import World

SCRIPT = b"EVALSHA"
"""Every append is one: its outcome is uncertain when the answer is lost."""
PREFIXES = ("conversation:", "host:", "SERVE_REPLICA")
"""Of the actors that have connections."""


@asynccontextmanager
async def killed(world: World, pick: float) -> AsyncIterator[str]:
    """SIGKILL, and a start on the same data."""
    await asyncio.to_thread(world.redis.kill)
    try:
        yield "valkey-server"
    finally:
        world.redis.start()  # not in a thread: the kernel ends the server with the thread that started it


@asynccontextmanager
async def stopped(world: World, pick: float) -> AsyncIterator[str]:
    """SIGSTOP: connections stay open, and nothing is answered."""
    with world.redis.paused():
        yield "valkey-server"


@asynccontextmanager
async def cut(world: World, pick: float) -> AsyncIterator[str]:
    """Every connection breaks; half of the time no new one is let through until it is healed."""
    away = pick < 0.5
    world.line.refuse(away)
    world.line.cut()
    try:
        yield "away" if away else "reset"
    finally:
        world.line.refuse(False)


@asynccontextmanager
async def frayed(world: World, pick: float) -> AsyncIterator[str]:
    """Some of the connections break, at random: half of what a process has under way arrives, and half does not."""
    world.line.cut_some(pick)
    yield "some"


@asynccontextmanager
async def one_cut_off(world: World, pick: float) -> AsyncIterator[str | None]:
    """One process, a host or a replica of the ingress, has no connection until it is healed; all others have theirs."""
    found = sorted((name, process) for prefix in PREFIXES for name, process in world.actors(prefix).items())
    if not found:
        yield None
        return
    target, process = found[int(pick * len(found))]
    world.line.cut_off(process)
    try:
        yield target
    finally:
        world.line.let_in(process)


@asynccontextmanager
async def deafened(world: World, pick: float) -> AsyncIterator[str]:
    """The next script reaches Redis, its answer nobody."""
    world.line.lose_answer_to(SCRIPT)
    yield SCRIPT.decode()

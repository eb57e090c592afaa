"""Faults of the store: the server dies or freezes, connections break or are refused, an answer is lost on its way."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.chaos.system import SystemUnderTest

SCRIPT = b"EVALSHA"
"""Every append is one: its outcome is uncertain when the answer is lost."""
PREFIXES = ("conversation:", "host:", "SERVE_REPLICA")
"""Of the names of actors that have connections."""


@asynccontextmanager
async def killed(system: SystemUnderTest, pick: float) -> AsyncIterator[str]:
    """SIGKILL; healing starts the server on the same data."""
    await asyncio.to_thread(system.redis.kill)
    try:
        yield "valkey-server"
    finally:
        system.redis.start()  # not in a thread: the kernel ends the server with the thread that started it


@asynccontextmanager
async def stopped(system: SystemUnderTest, pick: float) -> AsyncIterator[str]:
    """SIGSTOP: connections stay open, but the server answers nothing."""
    with system.redis.paused():
        yield "valkey-server"


@asynccontextmanager
async def connections_cut(system: SystemUnderTest, pick: float) -> AsyncIterator[str]:
    """Every connection breaks; in half of the cases, new ones are refused until it is healed."""
    away = pick < 0.5
    system.redis_proxy.set_refusing(away)
    system.redis_proxy.close_connections()
    try:
        yield "away" if away else "reset"
    finally:
        system.redis_proxy.set_refusing(False)


@asynccontextmanager
async def some_connections_cut(system: SystemUnderTest, pick: float) -> AsyncIterator[str]:
    """Some connections break at random: of what a process has sent, a part arrives and a part does not."""
    system.redis_proxy.close_some_connections(pick)
    yield "some"


@asynccontextmanager
async def process_cut_off(system: SystemUnderTest, pick: float) -> AsyncIterator[str | None]:
    """One process, an actor or an ingress replica, has no connection until it is healed; the other ones keep theirs."""
    found = sorted((name, process) for prefix in PREFIXES for name, process in system.actors(prefix).items())
    if not found:
        yield None
        return
    target, process = found[int(pick * len(found))]
    system.redis_proxy.isolate(process)
    try:
        yield target
    finally:
        system.redis_proxy.readmit(process)


@asynccontextmanager
async def answer_lost(system: SystemUnderTest, pick: float) -> AsyncIterator[str]:
    """The next script reaches Redis, but its answer is lost."""
    system.redis_proxy.lose_answer_to(SCRIPT)
    yield SCRIPT.decode()

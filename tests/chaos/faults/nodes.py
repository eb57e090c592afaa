"""Faults of nodes: SIGKILL, or SIGSTOP until SIGCONT, of a joined raylet and all processes on it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.chaos.system import SystemUnderTest

END_SECONDS = 5.0
"""The time in which a raylet notices that it has been declared dead."""


@asynccontextmanager
async def killed(system: SystemUnderTest, pick: float) -> AsyncIterator[str | None]:
    """SIGKILL; healing joins another node."""
    node = system.nodes.choose(pick)
    if node is None:
        yield None
        return
    await asyncio.to_thread(node.kill)
    try:
        yield node.name
    finally:
        await system.nodes.replace_missing()


@asynccontextmanager
async def stopped(system: SystemUnderTest, pick: float) -> AsyncIterator[str | None]:
    """SIGSTOP; the target is the node with its actors.

    A node that was declared dead meanwhile ends when it continues, and healing joins another node.
    """
    node = system.nodes.choose(pick)
    if node is None:
        yield None
        return
    actors = [name for name, process in system.actors("").items() if node.has_process(process.pid)]
    target = " ".join([node.name, *sorted(actors)])
    node.suspend()
    try:
        yield target
    finally:
        node.resume()
        await system.nodes.replace_missing(patience=END_SECONDS)

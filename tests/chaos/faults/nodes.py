"""Faults of nodes: SIGKILL, and SIGSTOP until SIGCONT, of a joined raylet with all that runs on it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.chaos.world import World

END_SECONDS = 5.0
"""In so much time a raylet notices that the others take it for dead."""


@asynccontextmanager
async def killed(world: World, pick: float) -> AsyncIterator[str | None]:
    """SIGKILL; another node is joined when it is healed."""
    node = world.nodes.choose(pick)
    if node is None:
        yield None
        return
    await asyncio.to_thread(node.kill)
    try:
        yield node.name
    finally:
        await world.nodes.restock()


@asynccontextmanager
async def stopped(world: World, pick: float) -> AsyncIterator[str | None]:
    """SIGSTOP; who was taken for dead meanwhile ends when it goes on, and another node is joined for it."""
    node = world.nodes.choose(pick)
    if node is None:
        yield None
        return
    node.suspend()
    try:
        yield node.name
    finally:
        node.resume()
        await world.nodes.restock(patience=END_SECONDS)

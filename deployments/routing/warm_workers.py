"""Warm workers, as a start uses them: a dedicated actor waits for one, and leaves one to the successor of a host."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import structlog
from grpc import RpcError

from deployments.ray_internals.raylet import fresh_workers

log = structlog.get_logger(__name__)

SPARE = 1
"""So many warm workers of a node are not for dedicated actors: a successor of a host starts in one at once."""
WAIT_SECONDS = 10.0
"""After so long without a warm worker, an actor is started in a process that has yet to be made."""
TAKEN_SECONDS = 2.0
PAUSE_SECONDS = 0.1


Condition = Callable[[frozenset[int]], bool]
"""Of the processes of a node's warm workers."""


class WarmWorkers:
    """Of one door; the starts on a node take their workers one after another."""

    def __init__(self) -> None:
        self._nodes: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    @asynccontextmanager
    async def take(self, raylet: str) -> AsyncIterator[bool]:
        """Start an actor in the block; whether there is a warm worker for it then, beside the spare one."""
        async with self._nodes[raylet]:
            fresh = await self._wait(raylet, WAIT_SECONDS, lambda found: len(found) > SPARE)
            yield len(fresh) > SPARE
            await self._wait(raylet, TAKEN_SECONDS, lambda found: not fresh <= found)

    async def _wait(self, raylet: str, seconds: float, condition: Condition) -> frozenset[int]:
        """The processes of the warm workers when the condition holds, or after so many seconds."""
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            try:
                found = frozenset(await asyncio.to_thread(fresh_workers, raylet))
            except RpcError as error:
                log.info("node_not_asked", raylet=raylet, cause=str(error))
                return frozenset()
            if condition(found) or asyncio.get_running_loop().time() > deadline:
                return found
            await asyncio.sleep(PAUSE_SECONDS)

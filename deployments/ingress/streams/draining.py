"""How a replica goes without anybody noticing: not ready first, then its streams are told to connect elsewhere.

Serve tells a replica that it is to stop, leaves it reachable until the load balancers know, waits for the requests
that run, and kills it at a deadline. A stream never ends by itself, so it would be cut then.
"""

import asyncio
from collections.abc import Callable

import structlog

from deployments.ray_internals.serve_replica import call_when_replica_stops

log = structlog.get_logger(__name__)

NOTICE_SECONDS = 1.0
"""Between not ready and the streams' end: who comes back at once must find that new requests go elsewhere."""


class Draining:
    """Of one replica, in its application's event loop; `begun` is its state for everybody."""

    def __init__(self) -> None:
        self.begun = False
        self._ended = False
        self._streams: set[Callable[[], None]] = set()

    def begin(self) -> None:
        """Be not ready from now on; a moment later the streams end. Safe to call again."""
        if self.begun:
            return
        self.begun = True
        log.info("draining", streams=len(self._streams))
        asyncio.get_running_loop().call_later(NOTICE_SECONDS, self._end)

    def attend(self, end: Callable[[], None]) -> None:
        """Call `end` when streams are to end; a latecomer has a moment, lest it comes in a loop."""
        self._streams.add(end)
        if self._ended:
            asyncio.get_running_loop().call_later(NOTICE_SECONDS, self._end)

    def release(self, end: Callable[[], None]) -> None:
        """The stream has ended by itself."""
        self._streams.discard(end)

    def _end(self) -> None:
        self._ended = True
        for end in tuple(self._streams):
            end()


def begin_when_serve_stops(draining: Draining) -> None:
    """Call in the application's event loop; the replica is told in another thread."""
    loop = asyncio.get_running_loop()
    call_when_replica_stops(lambda: loop.call_soon_threadsafe(draining.begin))

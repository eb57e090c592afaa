"""How a replica stops without its clients noticing: first it is not ready, then its streams are sent elsewhere.

Serve tells a replica that it is to stop, leaves it reachable until the load balancers know, waits for the requests
that run, and kills it at a deadline. A stream never ends by itself, so it would be cut then.
"""

import asyncio
from collections.abc import Callable

import structlog

from deployments.ray_internals.serve_replica import call_when_replica_stops

log = structlog.get_logger(__name__)

NOTICE_SECONDS = 1.0
"""Between not ready and the streams' end: a client that comes back at once must be sent to another replica."""


class Draining:
    """Of one replica, in its application's event loop; `has_begun` is there for all routes to see."""

    def __init__(self) -> None:
        self.has_begun = False
        self._streams_ended = False
        self._streams: set[Callable[[], None]] = set()
        self._callbacks: list[Callable[[], object]] = []

    def begin(self) -> None:
        """Be not ready from now on; a moment later the streams end. Safe to call again."""
        if self.has_begun:
            return
        self.has_begun = True
        log.info("draining", streams=len(self._streams))
        for callback in self._callbacks:
            callback()
        asyncio.get_running_loop().call_later(NOTICE_SECONDS, self._end_streams)

    def call_at_begin(self, callback: Callable[[], object]) -> None:
        """Have `callback` called when this begins."""
        self._callbacks.append(callback)

    def add_stream(self, end: Callable[[], None]) -> None:
        """Have `end` called when streams are to end; for a late stream after a moment, or its client would spin."""
        self._streams.add(end)
        if self._streams_ended:
            asyncio.get_running_loop().call_later(NOTICE_SECONDS, self._end_streams)

    def remove_stream(self, end: Callable[[], None]) -> None:
        """The stream has ended by itself."""
        self._streams.discard(end)

    def _end_streams(self) -> None:
        self._streams_ended = True
        for end in tuple(self._streams):
            end()


def begin_when_serve_stops(draining: Draining) -> None:
    """Call in the application's event loop; Serve tells of the stop in another thread."""
    loop = asyncio.get_running_loop()
    call_when_replica_stops(lambda: loop.call_soon_threadsafe(draining.begin))

"""How many rows of a batch run at once: more while all goes well, half of that when there is too much for others.

Rows are heard to be over many at a time. If as many began together, people would wait behind all of them. So rows
begin one after another, a little faster than rows have ended lately.
"""

import asyncio
from collections.abc import Callable
from typing import Final

FIRST: Final = 8
LEAST_PAUSE_SECONDS: Final = 1.0
MAX_PAUSE_SECONDS: Final = 300.0
SLOWED_SECONDS: Final = 1.0
"""Refusals that come together are one sign, not many."""
RATE_SECONDS: Final = 1.0
"""The time over which it is counted how many rows end in a second."""
FASTER: Final = 1.25
"""Rows begin by so much faster than they end, so that the rate can rise."""
MAX_SPACING_SECONDS: Final = 0.1


class Pace:
    """At most `most` at once. A place is taken before a row begins, and given back when it is over or waits.

    The limit rises by one with each limit's worth of rows that went well, and doubles at first (slow start).
    """

    def __init__(self, most: int, clock: Callable[[], float]) -> None:
        self._most = most
        self._clock = clock
        self.limit = float(min(FIRST, most))
        self.taken = 0
        self._is_starting = True
        self._slowed_at = float("-inf")
        self._paused_until = float("-inf")
        self._pause = LEAST_PAUSE_SECONDS
        self._next_at = float("-inf")
        self._spacing = 0.0
        self._counted_since = clock()
        self._counted = 0
        self._changed = asyncio.Event()
        self.is_stopped = False
        """Whether nothing is to begin any more."""

    async def take(self) -> None:
        """Wait for a place, and take it."""
        while True:
            now = self._clock()
            pause = max(self._paused_until, self._next_at) - now
            if self.is_stopped or (pause <= 0 and self.taken < int(self.limit)):
                self.taken += 1
                self._next_at = now + self._spacing
                return
            self._changed.clear()
            try:
                async with asyncio.timeout(pause if pause > 0 else None):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def give_back(self) -> None:
        """The row is over, or waits for people: another one may begin."""
        self.taken = max(0, self.taken - 1)
        self._changed.set()

    def stop(self) -> None:
        """Let each that waits have a place: it will see that nothing is to begin any more."""
        self.is_stopped = True
        self._changed.set()

    def went_well(self, rows: int = 1) -> None:
        """So many rows have ended as they should."""
        self._pause = LEAST_PAUSE_SECONDS
        for _ in range(rows):
            self.limit = min(self._most, self.limit + (1.0 if self._is_starting else 1.0 / self.limit))
        self._count(rows)
        self._changed.set()

    def slow_down(self, retry_after: float | None = None) -> None:
        """There was too much: a 429 or 503 of the service, or the provider's; nothing begins for `retry_after` seconds.

        Without that, the pause doubles with each sign until something goes well.
        """
        now = self._clock()
        pause = self._pause if retry_after is None else retry_after
        self._paused_until = max(self._paused_until, now + min(pause, MAX_PAUSE_SECONDS))
        if now - self._slowed_at < SLOWED_SECONDS:
            return
        self._slowed_at = now
        self._is_starting = False
        self.limit = max(1.0, self.limit / 2)
        self._pause = min(2 * self._pause, MAX_PAUSE_SECONDS)

    def _count(self, rows: int) -> None:
        """Space the rows to come by how many have ended lately."""
        self._counted += rows
        seconds = self._clock() - self._counted_since
        if seconds >= RATE_SECONDS and self._counted:
            self._spacing = min(MAX_SPACING_SECONDS, seconds / self._counted / FASTER)
            self._counted, self._counted_since = 0, self._clock()

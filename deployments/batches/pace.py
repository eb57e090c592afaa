"""How many rows of a batch run at once: more while all goes well, half of that when there is too much for others.

People wait in the same hosts. How long they do shows in how long a host takes to accept a row: when that grows, fewer
run at once, and more as soon as it is short again. How long a row's model takes has nothing to do with it.
"""

import asyncio
from collections.abc import Callable
from typing import Final

FIRST: Final = 8
LEAST_PAUSE_SECONDS: Final = 1.0
MAX_PAUSE_SECONDS: Final = 300.0
SLOWED_SECONDS: Final = 1.0
"""Refusals that come together are one sign, not many."""
MAX_DELAY_SECONDS: Final = 0.003
"""A host may take so much longer to accept rows than it takes for one that has nothing before it."""
SMOOTHING: Final = 0.1
"""How much one acceptance weighs in the mean of them."""
LEAST_SECONDS: Final = 30.0
"""Over one to two times so long the shortest acceptance is that of a row with nothing before it."""
LOWERED_SECONDS: Final = 0.1
"""Between two steps down, so that the first one shows."""
STEP_DOWN: Final = 0.9
ALWAYS: Final = 4
"""So many rows run at once however long acceptance takes: something else than the batch may be what is slow."""


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
        self._mean: float | None = None
        self._least = self._least_before = float("inf")
        self._least_since = clock()
        self._lowered_at = float("-inf")
        self._changed = asyncio.Event()
        self.is_stopped = False
        """Whether nothing is to begin any more."""

    async def take(self) -> None:
        """Wait for a place, and take it."""
        while True:
            now = self._clock()
            pause = self._paused_until - now
            if self.is_stopped or (pause <= 0 and self.taken < int(self.limit)):
                self.taken += 1
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
        if not self._is_delayed:
            for _ in range(rows):
                self.limit = min(self._most, self.limit + (1.0 if self._is_starting else 1.0 / self.limit))
        self._changed.set()

    def accepted(self, seconds: float) -> None:
        """A host took so long to accept a row."""
        now = self._clock()
        if now - self._least_since >= LEAST_SECONDS:
            self._least_before, self._least, self._least_since = self._least, seconds, now
        self._least = min(self._least, seconds)
        self._mean = seconds if self._mean is None else self._mean + SMOOTHING * (seconds - self._mean)
        if self._is_delayed and now - self._lowered_at >= LOWERED_SECONDS:
            self._lowered_at = now
            self._is_starting = False
            self.limit = max(min(self.limit, ALWAYS), STEP_DOWN * self.limit)

    @property
    def _is_delayed(self) -> bool:
        least = min(self._least, self._least_before)
        return self._mean is not None and self._mean > least + MAX_DELAY_SECONDS

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

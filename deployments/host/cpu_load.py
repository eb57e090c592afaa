"""How much of a core this process has used of late: a shared host runs in one thread, so one core is all it can use."""

import time
from collections.abc import Callable

BUSY_SHARE = 0.7
"""Beyond this, whoever comes waits noticeably for those who are there already."""
SHORTEST_SECONDS = 0.5


class CpuLoad:
    """Between the last two looks that were at least `SHORTEST_SECONDS` apart; both clocks count seconds."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, cpu_clock: Callable[[], float] = time.process_time
    ) -> None:
        self._clock, self._cpu_clock = clock, cpu_clock
        self._at, self._used = clock(), cpu_clock()
        self._busy = False

    def is_busy(self) -> bool:
        """Whether the process has used most of a core since the look before."""
        at, used = self._clock(), self._cpu_clock()
        if at - self._at >= SHORTEST_SECONDS:
            self._busy = used - self._used > BUSY_SHARE * (at - self._at)
            self._at, self._used = at, used
        return self._busy

"""Messages that are being taken in: they are acknowledged before turns begin, which take longer."""

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

PATIENCE_SECONDS = 0.1
"""How long turns wait for a message since it came: it may be held up by foreign code, or by a host that is silent."""


class Arrivals:
    """Of one process, on its event loop.

    Many messages that come at the same moment would else be acknowledged one turn after another: each begins as soon as
    its own message is in the log, and keeps the loop busy while other messages wait.
    """

    def __init__(self, patience: float = PATIENCE_SECONDS) -> None:
        self._patience = patience
        self._under_way: dict[int, asyncio.TimerHandle] = {}
        self._next = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @contextmanager
    def taking_in(self) -> Iterator[None]:
        """A message is being taken in until the end of the block."""
        number, self._next = self._next, self._next + 1
        timer = asyncio.get_running_loop().call_later(self._patience, self._forget, number)
        self._under_way[number] = timer
        try:
            yield
        finally:
            timer.cancel()
            self._forget(number)

    async def settle(self) -> None:
        """Wait for the messages that are under way now, and for no later one."""
        if self._under_way:
            settled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((self._next, settled))
            await settled

    def _forget(self, number: int) -> None:
        self._under_way.pop(number, None)
        oldest = next(iter(self._under_way), self._next)
        while self._waiting and self._waiting[0][0] <= oldest:
            settled = self._waiting.popleft()[1]
            if not settled.done():
                settled.set_result(None)

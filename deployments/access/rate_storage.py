"""Where the strategies of the package `limits` count: here, and in Redis a moment later, so that no request waits.

The package's own storage for Redis makes a client of its own, to which our addresses (sentinels, TLS, sockets) would
have to be translated, and asks it for each request: 50 to 96 µs of CPU and a round trip, where this takes 2 µs.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from limits.aio.storage import SlidingWindowCounterSupport, Storage

from store.errors import StoreError
from store.registries.counters import Counted, Counters

MAX_KEYS: Final = 10_000
SEPARATOR: Final = "\0"


@dataclass(slots=True)
class Windows:
    """What a key has counted: in the window with the number `index`, and in the one before it.

    `unsent` has what the other replicas have not been told, by the number of the window.
    """

    expiry: int
    index: int
    current: int = 0
    previous: int = 0
    unsent: dict[int, int] = field(default_factory=dict)

    def move_to(self, index: int) -> None:
        if index != self.index:
            self.previous = self.current if index == self.index + 1 else 0
            self.index, self.current = index, 0

    def add(self, amount: int) -> None:
        self.current += amount
        self.unsent[self.index] = self.unsent.get(self.index, 0) + amount


def key_of(kind: str, subject: str) -> str:
    """The identifier of a limit; `kind` says what is counted."""
    return f"{kind}{SEPARATOR}{subject}"


class RateStorage(Storage, SlidingWindowCounterSupport):
    """Of one replica. Windows begin with the clock, so they are the same for all replicas: a day is one in UTC.

    What others have counted is known as of the last `settle`: while requests of a principal come to several replicas,
    each of them may let as many through in that moment as if it were alone. Without Redis each counts for itself.
    """

    STORAGE_SCHEME = None

    def __init__(self, counters: Counters, clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self._counters = counters
        self._clock = clock
        self._windows: OrderedDict[str, Windows] = OrderedDict()
        self._unsent: set[str] = set()

    @property
    def base_exceptions(self) -> type[Exception]:
        return StoreError

    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        windows = self._find(key, expiry)
        self._add(key, windows, amount)
        return windows.current

    async def get(self, key: str) -> int:
        windows = self._windows.get(key)
        return 0 if windows is None else self._find(key, windows.expiry).current

    async def get_expiry(self, key: str) -> float:
        windows = self._windows.get(key)
        return self._clock() if windows is None else (self._find(key, windows.expiry).index + 1) * windows.expiry

    async def acquire_sliding_window_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        windows = self._find(key, expiry)
        if self._weighted(windows) + amount > limit:
            return False
        self._add(key, windows, amount)
        return True

    async def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        windows = self._find(key, expiry)
        left = self._left(windows)
        return windows.previous, left, windows.current, left + expiry

    def admits_at(self, key: str, limit: int) -> float | None:
        """When (s) a sliding window will take one more, if nothing else comes; None: never.

        That is later than the window's end, where what was counted in it begins to weigh less.
        """
        windows = self._windows.get(key)
        if limit < 1:
            return None
        if windows is None or self._weighted(self._find(key, windows.expiry)) <= limit - 1:
            return self._clock()
        end = (windows.index + 1) * windows.expiry
        if windows.current < limit:
            return end - windows.expiry * (limit - 1 - windows.current) / windows.previous
        return end + windows.expiry - windows.expiry * (limit - 1) / windows.current

    async def clear_sliding_window(self, key: str, expiry: int) -> None:
        await self.clear(key)

    async def clear(self, key: str) -> None:
        self._windows.pop(key, None)
        self._unsent.discard(key)

    async def check(self) -> bool:
        return True

    async def reset(self) -> int:
        found = len(self._windows)
        self._windows.clear()
        self._unsent.clear()
        return found

    async def settle(self) -> None:
        """Tell the other replicas what was counted here, and hear what they have. Raises StoreUnavailable."""
        sent: list[tuple[Windows, Counted]] = []
        for key in self._unsent:
            kind, subject = _names(key)
            windows = self._windows[key]
            sent += [
                (windows, Counted(subject, kind, index, amount, 2 * windows.expiry))
                for index, amount in windows.unsent.items()
            ]
        if not sent:
            return
        totals = await self._counters.add([counted for _, counted in sent])
        for (windows, counted), total in zip(sent, totals, strict=True):
            left = windows.unsent.get(counted.window, 0) - counted.amount  # counted while this was under way
            if left > 0:
                windows.unsent[counted.window] = left
            else:
                windows.unsent.pop(counted.window, None)
            if counted.window == windows.index:
                windows.current = max(windows.current, total + max(left, 0))
            elif counted.window == windows.index - 1:
                windows.previous = max(windows.previous, total)
        self._unsent = {key for key in self._unsent if key in self._windows and self._windows[key].unsent}

    def _find(self, key: str, expiry: int) -> Windows:
        index = int(self._clock() // expiry)
        windows = self._windows.get(key)
        if windows is None:
            windows = self._windows[key] = Windows(expiry, index)
            if len(self._windows) > MAX_KEYS:
                oldest, _ = self._windows.popitem(last=False)
                self._unsent.discard(oldest)
        windows.move_to(index)
        return windows

    def _add(self, key: str, windows: Windows, amount: int) -> None:
        windows.add(amount)
        self._unsent.add(key)
        self._windows.move_to_end(key)

    def _left(self, windows: Windows) -> float:
        """Seconds of the current window that are still to come."""
        return (windows.index + 1) * windows.expiry - self._clock()

    def _weighted(self, windows: Windows) -> float:
        return windows.previous * self._left(windows) / windows.expiry + windows.current


def _names(key: str) -> tuple[str, str]:
    """Kind and subject in a key as `RateLimitItem.key_for` makes it: behind its namespace, before its rate."""
    kind, _, subject = key.partition("/")[2].rsplit("/", 3)[0].partition(SEPARATOR)
    return kind, subject

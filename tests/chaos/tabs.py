"""The watchers of a run: open pages that follow a conversation, lose their connection and take it up again."""

import asyncio
import random
import time
from contextlib import suppress

import httpx
import orjson

from tests.chaos.plan import Tab
from tests.chaos.sightings import Watched

SILENCE_SECONDS = 3.0
"""The service under test sends a heartbeat ten times as often."""
PAUSE_SECONDS = 0.2
LONGEST_LOOK = 5.0
EVENTS = {"Accept": "text/event-stream"}


class Watcher:
    """A tab that stayed comes back only when its connection broke; one that hops leaves by itself, too."""

    def __init__(self, kind: Tab | str, conversation: str, url: str, seed: int = 0) -> None:
        self.watched = Watched(str(kind), conversation)
        self._dice = random.Random(seed)
        self._settled = kind != "hopped"
        self._http = httpx.AsyncClient(
            base_url=url, timeout=httpx.Timeout(10.0, read=SILENCE_SECONDS), limits=httpx.Limits(max_connections=None)
        )

    async def watch(self) -> None:
        """For ever; never fails."""
        while True:
            with suppress(httpx.HTTPError, TimeoutError):
                async with asyncio.timeout(self._look()):
                    await self._follow(self._resumed())
            await asyncio.sleep(PAUSE_SECONDS)

    async def catch_up(self, last_seq: int, seconds: float) -> None:
        """Return when it has seen everything, or when the time is over; `watch` runs meanwhile."""
        deadline = time.monotonic() + seconds
        while self.watched.last_seq < last_seq and time.monotonic() < deadline:  # noqa: ASYNC110 - fed by a stream
            await asyncio.sleep(0.1)

    def settle(self) -> None:
        """From now on it stays."""
        self._settled = True

    async def aclose(self) -> None:
        await self._http.aclose()

    def _look(self) -> float | None:
        return None if self._settled else self._dice.uniform(0.0, LONGEST_LOOK)

    def _resumed(self) -> int:
        """Where it goes on: behind what it knows, or from the beginning like a page that is loaded anew."""
        is_new = not self._settled and self._dice.random() < 0.3
        return 0 if is_new else self.watched.last_seq

    async def _follow(self, after: int) -> None:
        address = f"/v1/conversations/{self.watched.conversation}/events"
        headers = {**EVENTS, "Last-Event-ID": str(after)} if after else EVENTS
        async with self._http.stream("GET", address, headers=headers) as response:
            if response.status_code != 200:
                return
            self.watched.connect(after)
            async for line in response.aiter_lines():
                if line.startswith("data: "):
                    self.watched.take(orjson.loads(line[6:]))

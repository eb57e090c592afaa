"""The watchers of a run: clients that follow a conversation, lose their connection and connect again."""

import asyncio
import random
import time
from contextlib import suppress

import httpx
import orjson

from tests.chaos.plan import WatcherKind
from tests.chaos.watcher_record import WatcherRecord

SILENCE_SECONDS = 3.0
"""The service under test sends heartbeats ten times as often."""
PAUSE_SECONDS = 0.2
MAX_STREAM_SECONDS = 5.0
EVENTS = {"Accept": "text/event-stream"}


class WatchingClient:
    """A `steady` watcher reconnects only when its connection breaks; a `reconnecting` one also disconnects itself."""

    def __init__(self, kind: WatcherKind | str, conversation: str, url: str, seed: int = 0) -> None:
        self.record = WatcherRecord(str(kind), conversation)
        self._rng = random.Random(seed)
        self._is_steady = kind != "reconnecting"
        self._http = httpx.AsyncClient(
            base_url=url, timeout=httpx.Timeout(10.0, read=SILENCE_SECONDS), limits=httpx.Limits(max_connections=None)
        )

    async def watch(self) -> None:
        """Watch until cancelled; failures lead to another stream."""
        while True:
            with suppress(httpx.HTTPError, TimeoutError):
                async with asyncio.timeout(self._stream_seconds()):
                    await self._follow(self._resume_after())
            await asyncio.sleep(PAUSE_SECONDS)

    async def catch_up(self, last_seq: int, seconds: float) -> None:
        """Wait until the watcher has seen everything, at most `seconds`; `watch` runs meanwhile."""
        deadline = time.monotonic() + seconds
        while self.record.last_seq < last_seq and time.monotonic() < deadline:  # noqa: ASYNC110 - fed by a stream
            await asyncio.sleep(0.1)

    def become_steady(self) -> None:
        """Let the watcher be steady from now on."""
        self._is_steady = True

    async def aclose(self) -> None:
        await self._http.aclose()

    def _stream_seconds(self) -> float | None:
        return None if self._is_steady else self._rng.uniform(0.0, MAX_STREAM_SECONDS)

    def _resume_after(self) -> int:
        """The seq to continue after; sometimes 0, like a page that is reloaded."""
        is_new = not self._is_steady and self._rng.random() < 0.3
        return 0 if is_new else self.record.last_seq

    async def _follow(self, after: int) -> None:
        address = f"/v1/conversations/{self.record.conversation}/events"
        headers = {**EVENTS, "Last-Event-ID": str(after)} if after else EVENTS
        async with self._http.stream("GET", address, headers=headers) as response:
            if response.status_code != 200:
                return
            self.record.open_stream(after)
            async for line in response.aiter_lines():
                if line.startswith("data: "):
                    self.record.add(orjson.loads(line[6:]))

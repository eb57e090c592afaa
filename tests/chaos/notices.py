"""The checker's own listener: every claim and append as the store announces it, with the epoch of its writer.

The scripts that claim and append also publish, so the announcements come in the order of the claims and appends.
"""

import asyncio
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import orjson
from redis.asyncio import Redis
from redis.exceptions import RedisError

from store.keys import Keys

CHANNEL = re.compile(r".*:conversation:(.+):live")
PAUSE_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Notice:
    """An announced append, or a claim if it has no events.

    `session` is the number of the listener's connection: between two connections, notices may be missing. `place` is
    the actor of a claim.
    """

    session: int
    epoch: int
    events: Sequence[Mapping[str, Any]]
    place: str | None = None


class Listener:
    """Listens to all conversations under a prefix, for the time of the block."""

    def __init__(self, url: str, prefix: str = "raylogue") -> None:
        self.notices_by_conversation: defaultdict[str, list[Notice]] = defaultdict(list)
        self.sessions = 0
        self._redis = Redis.from_url(url)
        self._keys = Keys(prefix)
        self._pattern = f"{prefix}:*:live"
        self._listening = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._listen())
        await self._listening.wait()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        await self._redis.aclose()

    async def _listen(self) -> None:
        while True:
            with suppress(OSError, RedisError):
                async with self._redis.pubsub(ignore_subscribe_messages=False) as channel:
                    await channel.psubscribe(self._pattern)
                    async for message in channel.listen():
                        await self._record(message)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _record(self, message: Mapping[str, Any]) -> None:
        if message["type"] == "psubscribe":
            self.sessions += 1
            self._listening.set()
            return
        payload = orjson.loads(message["data"])
        logged = [event for event in payload["events"] if "v" in event]
        if logged or not payload["events"]:
            found = CHANNEL.fullmatch(message["channel"].decode())
            assert found is not None
            place = None if logged else await self._redis.hget(self._keys.conversation(found[1]).meta, "place")
            named = None if place is None else place.decode()
            self.notices_by_conversation[found[1]].append(Notice(self.sessions, payload["epoch"], logged, named))

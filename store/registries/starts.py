"""The line of the dedicated actors that a cluster is to start: in which order, and how many at once."""

import secrets
from collections.abc import Collection, Sequence
from typing import NamedTuple

from store.client.client import Client, Reply
from store.client.script import LINE_UP, Argument
from store.keys import Keys

FRESH_MS = 5000
"""How long an entry counts whose process does not renew it: then that process is gone."""
RECENT_MS = 60_000
"""How long a start is remembered that has begun."""
YIELD_MS = 30_000
"""How much later a conversation that yields counts as having come: people's requests come first, but not for ever."""
OF_ANOTHER = -1
"""The place of a conversation that another process has in the line."""


class Demand(NamedTuple):
    """How many actors are in the line, waiting or being started, and how many starts have begun lately."""

    in_line: int
    recent: int


class Starts:
    """Each process renews its own entries, about four times a second. Every call may raise StoreUnavailable."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._keys = keys
        self._owner = secrets.token_hex(8)

    async def line_up(
        self, cluster: str, conversation_ids: Sequence[str], at_once: int, yielding: Collection[str] = ()
    ) -> list[int]:
        """Enter these conversations or renew their entries; the place of each.

        A conversation that is `yielding` lets all others pass that come within `YIELD_MS` after it.

        1 and more: it waits at that place. 0: it may begin, or has begun, and is one of the `at_once` of the cluster
        until it leaves. `OF_ANOTHER`: another process has entered it.
        """
        names = [self._keys.line(cluster), self._keys.started(cluster)]
        ordered = sorted(conversation_ids, key=lambda key: key in yielding)
        first = sum(key not in yielding for key in ordered)
        arguments: list[Argument] = [self._owner, at_once, FRESH_MS, RECENT_MS, YIELD_MS, first, *ordered]
        places: Reply = await self._client.retry(lambda: self._client.run(LINE_UP, names, arguments))
        place_of = dict(zip(ordered, map(int, places), strict=True))
        return [place_of[key] for key in conversation_ids]

    async def release(self, cluster: str, conversation_id: str) -> None:
        """Keep an entry of this process, which has begun, without counting it among the starts at once."""
        key = self._keys.line(cluster)
        entry: Reply = await self._client.retry(lambda: self._client.redis.hget(key, conversation_id))
        if entry is not None:
            await self._client.retry(lambda: self._client.redis.hset(key, conversation_id, entry[:-1] + b"r"))

    async def leave(self, cluster: str, conversation_id: str) -> None:
        """Take out an entry of this process."""
        key = self._keys.line(cluster)
        await self._client.retry(lambda: self._client.redis.hdel(key, conversation_id))

    async def entered(self, cluster: str) -> frozenset[str]:
        """The conversations in the line."""
        key = self._keys.line(cluster)
        names: Reply = await self._client.retry(lambda: self._client.redis.hkeys(key))
        return frozenset(name.decode() for name in names)

    async def demand(self, cluster: str) -> Demand:
        """What the line has and had to do."""
        now = await self._client.server_time()

        async def ask() -> Reply:
            pipeline = self._client.pipeline()
            pipeline.hlen(self._keys.line(cluster))
            pipeline.zcount(self._keys.started(cluster), now - RECENT_MS, "+inf")
            return await pipeline.execute()

        return Demand(*await self._client.retry(ask))

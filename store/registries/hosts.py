"""The reports of shared hosts, from which the door sees how many are needed, and who asks nodes for warm workers."""

from collections.abc import Mapping
from dataclasses import dataclass

from store.client.client import Client, Reply
from store.keys import Keys

FRESH_MS = 10_000
"""A host that has not reported for so long is gone, or cannot be relied on."""
SILENT_MS = 60_000
"""How long a host that did not answer is avoided, unless it reports again."""
SILENT = b"silent"


@dataclass(frozen=True, slots=True)
class Reports:
    """`loads` is the number of conversations in each shared host, by its name.

    A `busy` host has work for a whole core; a `silent` host did not answer its last caller.
    """

    loads: Mapping[str, int]
    busy: frozenset[str]
    silent: frozenset[str]


class Hosts:
    """Reads and writes what hosts report of themselves, and what their callers report of them."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._key = keys.hosts
        self._busy = keys.busy
        self._prestart = keys.prestart

    async def report(self, name: str, conversations: int, *, busy: bool = False) -> None:
        now = await self._client.server_time()

        async def write() -> None:
            pipeline = self._client.pipeline()
            pipeline.hset(self._key, name, f"{conversations}:{now}")
            if busy:
                pipeline.hset(self._busy, name, now)
            else:
                pipeline.hdel(self._busy, name)
            await pipeline.execute()

        await self._client.retry(write)

    async def forget(self, name: str) -> None:
        await self._client.retry(lambda: self._client.redis.hdel(self._key, name))
        await self._client.retry(lambda: self._client.redis.hdel(self._busy, name))

    async def report_silence(self, name: str) -> None:
        """Note that this host did not answer its caller; its next report takes this back."""
        now = await self._client.server_time()
        await self._client.retry(lambda: self._client.redis.hset(self._key, name, f"{SILENT.decode()}:{now}"))

    async def loads(self) -> Mapping[str, int]:
        """The number of conversations in each host, by its name."""
        return (await self.reports()).loads

    async def reports(self) -> Reports:
        """All fresh reports; stale ones are removed."""

        async def ask() -> Reply:
            pipeline = self._client.pipeline()
            pipeline.hgetall(self._key)
            pipeline.hgetall(self._busy)
            return await pipeline.execute()

        reports, busy = await self._client.retry(ask)
        now = await self._client.server_time() if reports else 0
        loads, silent, stale = dict[str, int](), set[str](), list[bytes]()
        for name, report in reports.items():
            conversations, _, at = report.partition(b":")
            if now - int(at) > (SILENT_MS if conversations == SILENT else FRESH_MS):
                stale.append(name)
            elif conversations == SILENT:
                silent.add(name.decode())
            else:
                loads[name.decode()] = int(conversations)
        if stale:
            await self._client.retry(lambda: self._client.redis.hdel(self._key, *stale))
            await self._client.retry(lambda: self._client.redis.hdel(self._busy, *stale))
        return Reports(loads, frozenset(name.decode() for name in busy if name.decode() in loads), frozenset(silent))

    async def claim_prestart(self, node_id: str, milliseconds: int) -> bool:
        """Whether the caller may ask the node for warm workers; if so, no other caller may for so many milliseconds."""
        key = self._prestart(node_id)
        return bool(await self._client.retry(lambda: self._client.redis.set(key, 1, nx=True, px=milliseconds)))

    async def end_prestart(self, node_id: str) -> None:
        """Note that the node has its warm workers: the next one may be asked for at once."""
        await self._client.retry(lambda: self._client.redis.delete(self._prestart(node_id)))

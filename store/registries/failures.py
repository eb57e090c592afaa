"""The audit of failed attempts: what went wrong in which job, at which stage; kept for a set time."""

from collections.abc import AsyncIterator

from store.client.client import Client, Reply
from store.keys import Keys

CHUNK = 200
MAX_ENTRIES = 20_000
"""So many are kept, however young they are; with payloads that are cut to size at most 100 MB."""


class Failures:
    """A stream of opaque entries, by time. Every call may raise StoreUnavailable."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    async def add(self, entry: bytes, *, now: int, kept_ms: int) -> None:
        """Keep an entry; those older than `kept_ms` go, and the oldest beyond `MAX_ENTRIES`."""
        key = self._keys.failures

        async def write() -> None:
            pipeline = self._client.pipeline()
            pipeline.xadd(key, {"d": entry}, minid=f"{now - kept_ms}-0", approximate=True)
            pipeline.xtrim(key, maxlen=MAX_ENTRIES, approximate=True)
            pipeline.pexpire(key, kept_ms)
            await pipeline.execute()

        await self._client.retry(write)

    async def walk(self, since: int, until: int) -> AsyncIterator[bytes]:
        """The entries of what was added from `since` (ms) on, and before `until`, the newest first, in chunks."""
        if until < 1:
            return  # nothing is before the first id of a stream
        key, newest = self._keys.failures, f"({until}-0"
        while True:
            chunk: Reply = await self._chunk(key, newest, since)
            for _, fields in chunk:
                yield fields[b"d"]
            if len(chunk) < CHUNK:
                return
            newest = f"({chunk[-1][0].decode()}"

    async def _chunk(self, key: str, newest: str, since: int) -> Reply:
        return await self._client.retry(
            lambda: self._client.redis.xrevrange(key, max=newest, min=f"{since}-0", count=CHUNK)
        )

"""The clusters that share this store: what lives in one of them is no business of the others while it is heard of."""

from store.client.client import Client, Reply
from store.keys import Keys

FRESH_MS = 5000
"""A cluster that has said nothing for so long is gone, and the others take up what it left."""
FORGOTTEN_MS = 60_000


class Clusters:
    """Every ingress replica reports its own, about once a second."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._key = keys.clusters

    async def report(self, cluster: str) -> frozenset[str]:
        """Say that `cluster` is there; which others are there as well."""
        seconds, microseconds = await self._client.ask(self._client.redis.time)
        now = int(seconds) * 1000 + int(microseconds) // 1000

        async def exchange() -> Reply:
            pipeline = self._client.pipeline()
            pipeline.zadd(self._key, {cluster: now})
            pipeline.zremrangebyscore(self._key, "-inf", now - FORGOTTEN_MS)
            pipeline.zrangebyscore(self._key, now - FRESH_MS, "+inf")
            return await pipeline.execute()

        *_, fresh = await self._client.ask(exchange)
        return frozenset(name.decode() for name in fresh) - {cluster}

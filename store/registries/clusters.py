"""The clusters that share this store: while one reports, the others leave alone the conversations that live in it."""

from store.client.client import Client, Reply
from store.keys import Keys

FRESH_MS = 5000
"""A cluster that has not reported for so long is gone, and the others take over its conversations."""
FORGOTTEN_MS = 60_000


class Clusters:
    """Every replica of the ingress reports its own cluster, about every other second."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._key = keys.clusters

    async def report(self, cluster: str) -> frozenset[str]:
        """Note that `cluster` is alive, and return the other clusters that are alive."""
        now = await self._client.server_time()

        async def exchange() -> Reply:
            pipeline = self._client.pipeline()
            pipeline.zadd(self._key, {cluster: now})
            pipeline.zremrangebyscore(self._key, "-inf", now - FORGOTTEN_MS)
            pipeline.zrangebyscore(self._key, now - FRESH_MS, "+inf")
            return await pipeline.execute()

        *_, fresh = await self._client.retry(exchange)
        return frozenset(name.decode() for name in fresh) - {cluster}

    async def is_served(self, cluster: str) -> bool:
        """Whether a replica of the ingress has reported this cluster lately."""
        seen: Reply = await self._client.retry(lambda: self._client.redis.zscore(self._key, cluster))
        return seen is not None and int(seen) >= await self._client.server_time() - FRESH_MS

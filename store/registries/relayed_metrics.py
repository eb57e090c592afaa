"""What short-lived processes have counted, on its way to a process that lives for long; and who takes it."""

from store.client.client import Client, Reply
from store.client.lease import Lease
from store.keys import Keys

MAX_REPORTS = 20_000
"""If no process takes them, the oldest go."""
KEPT_SECONDS = 600
TAKEN_AT_ONCE = 1000


class RelayedMetrics:
    """Reports, oldest first; what they say is their writers' business. Every call may raise StoreUnavailable."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    async def put(self, report: bytes) -> None:
        """Leave a report; if the connection breaks meanwhile it may be there twice, so it is tried once."""
        key = self._keys.relayed_metrics

        async def send() -> Reply:
            pipeline = self._client.pipeline()
            pipeline.rpush(key, report)
            pipeline.ltrim(key, -MAX_REPORTS, -1)
            pipeline.expire(key, KEPT_SECONDS)
            return await pipeline.execute()

        await self._client.retry_until(lambda: True, send)

    async def take(self) -> list[bytes]:
        """Some of the reports, which are gone then; none if there are none. Tried once."""
        key = self._keys.relayed_metrics
        found: Reply = await self._client.retry_until(lambda: True, lambda: self._client.redis.lpop(key, TAKEN_AT_ONCE))
        return list(found or ())

    def lease(self) -> Lease:
        """Who has it takes the reports, and says what holds for the whole cluster."""
        return Lease(self._client, self._keys.metrics_lease)

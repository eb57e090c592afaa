"""Counts what replicas have taken in: requests and bytes in a window of time."""

from collections.abc import Sequence
from typing import NamedTuple

from store.client.client import Client, Reply
from store.keys import Keys
from store.registries.limits import tenant_of_subject


class Counted(NamedTuple):
    """So much more of a kind for a subject in the window with this number; `lifetime` (s) from now on."""

    subject: str
    kind: str
    window: int
    amount: int
    lifetime: int


class Counters:
    """Every call may raise StoreUnavailable; one whose answer was lost may count twice."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    async def add(self, counted: Sequence[Counted]) -> list[int]:
        """The sums of all replicas, in this order."""

        async def send() -> Reply:
            pipeline = self._client.pipeline()
            for one in counted:
                key = self._keys.counted(tenant_of_subject(one.subject), one.subject, one.kind, one.window)
                pipeline.incrby(key, one.amount)
                pipeline.expire(key, one.lifetime)
            return await pipeline.execute()

        return [int(total) for total in (await self._client.retry(send))[::2]]

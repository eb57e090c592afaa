"""Where hosts listen for direct connections, and the secret that a caller must know."""

from dataclasses import dataclass

import orjson

from store.client.client import Client
from store.keys import Keys

LIFETIME_SECONDS = 3600
"""A host says it again well before."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A host's address on its node, and the secret of this one process."""

    address: str
    port: int
    secret: bytes


class Endpoints:
    """Reads and writes the endpoints of hosts, by the hexadecimal ids of their actors."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._key = keys.endpoint

    async def announce(self, actor: str, endpoint: Endpoint) -> None:
        """Raises StoreUnavailable."""
        value = orjson.dumps([endpoint.address, endpoint.port, endpoint.secret.hex()])
        await self._client.retry(lambda: self._client.redis.set(self._key(actor), value, ex=LIFETIME_SECONDS))

    async def forget(self, actor: str) -> None:
        """The host is about to end. Raises StoreUnavailable."""
        await self._client.retry(lambda: self._client.redis.delete(self._key(actor)))

    async def get(self, actor: str) -> Endpoint | None:
        """None if the host has said nothing, or no longer. Raises StoreUnavailable."""
        value: bytes | str | None = await self._client.retry(lambda: self._client.redis.get(self._key(actor)))
        if value is None:
            return None
        address, port, secret = orjson.loads(value)
        return Endpoint(address, port, bytes.fromhex(secret))

"""The standing choices of a person, each a short text under a name."""

from store.client.client import Client, Reply
from store.keys import Keys


class Preferences:
    """Reads and sets the choices of any principal."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    async def get(self, principal: str, name: str) -> str | None:
        """What the person chose, or None without a choice."""
        key = self._keys.preferences(principal)
        value: Reply = await self._client.retry(lambda: self._client.redis.hget(key, name))
        return None if value is None else str(value.decode())

    async def all(self, principal: str) -> dict[str, str]:
        """Every choice by its name."""
        key = self._keys.preferences(principal)
        found: Reply = await self._client.retry(lambda: self._client.redis.hgetall(key))
        return {name.decode(): value.decode() for name, value in found.items()}

    async def set(self, principal: str, name: str, value: str | None) -> None:
        """Set the choice, or take it back (None)."""
        key = self._keys.preferences(principal)
        redis = self._client.redis
        if value is None:
            await self._client.retry(lambda: redis.hdel(key, name))
        else:
            await self._client.retry(lambda: redis.hset(key, name, value))

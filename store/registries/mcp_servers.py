"""What each MCP server offered when it was last listed, for processes that have no connection to it."""

from store.client.client import Client, Reply
from store.keys import Keys

LIFETIME = 30 * 24 * 3600
"""Seconds after the last report of any server."""


class McpServers:
    """Keeps one opaque entry for each server, by its name."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    async def report(self, server: str, entry: bytes) -> None:
        """Replace the server's entry."""
        key, redis = self._keys.mcp_servers, self._client.redis
        await self._client.retry(lambda: redis.hset(key, server, entry))
        await self._client.retry(lambda: redis.expire(key, LIFETIME))

    async def all(self) -> dict[str, bytes]:
        """Every entry by the name of its server."""
        key = self._keys.mcp_servers
        found: Reply = await self._client.retry(lambda: self._client.redis.hgetall(key))
        return {name.decode(): entry for name, entry in found.items()}

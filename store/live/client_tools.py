"""Which client tools the connected watchers of a conversation can run; a watcher that dies is forgotten by itself."""

import uuid
from collections.abc import Collection

from store.client.client import Client, Reply
from store.client.script import DECLARE_CLIENT_TOOLS
from store.keys import Keys

LIFETIME_MS = 15_000
"""How long a declaration holds; it is repeated until the watcher leaves."""


class ClientTools:
    """Declared by the process that serves a watcher, read by the process that has the conversation."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    async def declare(self, conversation_id: str, watcher: str, tools: Collection[str]) -> None:
        """Say for `LIFETIME_MS` that this watcher can run these tools. Raises StoreUnavailable."""
        key = self._keys.conversation(conversation_id).client_tools
        entry = _entry(watcher, tools)
        await self._client.retry(lambda: self._client.run(DECLARE_CLIENT_TOOLS, [key], [entry, LIFETIME_MS]))

    async def withdraw(self, conversation_id: str, watcher: str, tools: Collection[str]) -> None:
        """Take back what was declared in these words. Raises StoreUnavailable."""
        key = self._keys.conversation(conversation_id).client_tools
        await self._client.retry(lambda: self._client.redis.zrem(key, _entry(watcher, tools)))

    async def declared(self, conversation_id: str) -> frozenset[str]:
        """The names of the tools that a watcher can run now. Raises StoreUnavailable."""
        key = self._keys.conversation(conversation_id).client_tools
        now = await self._client.server_time()
        entries: Reply = await self._client.retry(lambda: self._client.redis.zrangebyscore(key, f"({now}", "+inf"))
        return frozenset(name for entry in entries for name in entry.decode().partition(" ")[2].split(","))


def new_watcher() -> str:
    """A name for one connection of a watcher."""
    return uuid.uuid4().hex


def _entry(watcher: str, tools: Collection[str]) -> str:
    return f"{watcher} {','.join(sorted(tools))}"

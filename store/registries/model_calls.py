"""The audit of what was sent to models, kept for a while beside its conversation."""

import builtins

from store.client.client import Client, Reply
from store.client.script import RECORD_MODEL_CALL
from store.errors import ConversationNotFound
from store.keys import Keys


class ModelCallLog:
    """Keeps opaque entries, newest first."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    async def record(self, conversation_id: str, entry: bytes, *, lifetime: int, now: int) -> None:
        """Keep an entry, and delete entries older than `lifetime` seconds.

        All are deleted `lifetime` seconds after the last record. Raises ConversationNotFound. When an answer is lost,
        the entry is recorded again, and a reader sees it twice.
        """
        keys = self._keys.conversation(conversation_id)
        names = [keys.model_calls, keys.meta]
        recorded = await self._client.retry(lambda: self._client.run(RECORD_MODEL_CALL, names, [entry, now, lifetime]))
        if not recorded:
            raise ConversationNotFound(conversation_id)

    async def list(self, conversation_id: str, *, limit: int) -> builtins.list[bytes]:
        """The newest `limit` entries, newest first."""
        key = self._keys.conversation(conversation_id).model_calls
        entries: Reply = await self._client.retry(lambda: self._client.redis.xrevrange(key, count=limit))
        return [fields[b"d"] for _, fields in entries]

"""The audit of what was sent to models, kept for a while beside its conversation."""

import builtins

from store.client.client import Client, Reply
from store.client.script import MODEL_CALL
from store.errors import ConversationNotFound
from store.keys import Keys


class ModelCalls:
    """Keeps opaque entries, the newest first."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    async def record(self, conversation_id: str, entry: bytes, *, lifetime: int, now: int) -> None:
        """Keep an entry, and let go of those that are older than `lifetime` seconds.

        All go `lifetime` seconds after the last record. Raises ConversationNotFound. The answer may be lost on
        the way and the entry repeated: who reads them sees it twice.
        """
        keys = self._keys.conversation(conversation_id)
        names = [keys.model_calls, keys.meta]
        recorded = await self._client.ask(lambda: self._client.run(MODEL_CALL, names, [entry, now, lifetime]))
        if not recorded:
            raise ConversationNotFound(conversation_id)

    async def list(self, conversation_id: str, *, limit: int) -> builtins.list[bytes]:
        """The newest `limit` entries, newest first."""
        key = self._keys.conversation(conversation_id).model_calls
        entries: Reply = await self._client.ask(lambda: self._client.redis.xrevrange(key, count=limit))
        return [fields[b"d"] for _, fields in entries]

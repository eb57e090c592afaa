"""The text of conversations as a search reads it: a cache beside each log, made when it is searched."""

from collections.abc import Sequence

from store.client.client import Client, Reply
from store.client.script import KEEP_TEXT, Argument
from store.keys import Keys
from store.records import ConversationMeta

LIFETIME_SECONDS = 7 * 24 * 3600
"""After the last search that read it."""


class Texts:
    """Keeps opaque texts. Every call may raise StoreUnavailable."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    async def get_many(self, conversation_ids: Sequence[str]) -> list[bytes | None]:
        """What is kept of each, which then stays for another week."""
        if not conversation_ids:
            return []

        async def ask_all() -> Reply:
            pipeline = self._client.pipeline()
            for conversation_id in conversation_ids:
                pipeline.getex(self._keys.conversation(conversation_id).text, ex=LIFETIME_SECONDS)
            return await pipeline.execute()

        return list(await self._client.retry(ask_all))

    async def keep(self, meta: ConversationMeta, text: bytes) -> None:
        """Keep the text of a conversation; of one that is gone meanwhile nothing is kept."""
        keys = self._keys.conversation(meta.id)
        names, arguments = [keys.text, keys.meta], list[Argument]([text, LIFETIME_SECONDS, meta.created_at])
        await self._client.retry(lambda: self._client.run(KEEP_TEXT, names, arguments))

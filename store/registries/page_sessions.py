"""Who is signed in on the page: for each session, of which only a digest is kept, the API key that it stands for."""

from collections.abc import Sequence

from store.client.client import Client, Reply
from store.keys import Keys

IDLE_MS = 12 * 3_600_000
"""How long a session lasts that is not used."""


class PageSessions:
    """Every call may raise StoreUnavailable."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    async def begin(self, digest: str, key_id: str) -> None:
        """Keep a new session."""
        name = self._keys.page_session(digest)
        await self._client.retry(lambda: self._client.redis.set(name, key_id, px=IDLE_MS))

    async def use(self, digest: str) -> str | None:
        """The id of the session's key; it lasts longer by that. None: there is no such session, or no longer."""
        name = self._keys.page_session(digest)
        key_id: Reply = await self._client.retry(lambda: self._client.redis.getex(name, px=IDLE_MS))
        return None if key_id is None else str(key_id.decode())

    async def find_ended(self, digests: Sequence[str]) -> set[str]:
        """Which of these sessions there are no longer."""
        if not digests:
            return set()

        async def ask_all() -> Reply:
            pipeline = self._client.pipeline()
            for digest in digests:
                pipeline.exists(self._keys.page_session(digest))
            return await pipeline.execute()

        found = zip(digests, await self._client.retry(ask_all), strict=True)
        return {digest for digest, exists in found if not exists}

    async def end(self, digest: str) -> None:
        """Sign out."""
        name = self._keys.page_session(digest)
        await self._client.retry(lambda: self._client.redis.delete(name))

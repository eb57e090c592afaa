"""What admins have set: how much principals and tenants may use, beside what holds for all of them."""

from collections.abc import Mapping, Sequence

import orjson

from store.client.client import Client, Reply
from store.keys import Keys
from store.principals import tenant_of

Values = Mapping[str, str | int | None]
"""A limit by its name; None: there is no limit."""


class Limits:
    """A subject is a principal, `tenant/user`, or a tenant. Every call may raise StoreUnavailable."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    async def get(self, subjects: Sequence[str]) -> list[Values]:
        """What is set for each of these, which are of one tenant; empty where nothing is."""
        key = self._key(subjects[0])
        found: Reply = await self._client.retry(lambda: self._client.redis.hmget(key, list(subjects)))
        return [orjson.loads(values) if values else {} for values in found]

    async def set(self, subject: str, values: Values) -> None:
        """In place of what was set for it."""
        key, text = self._key(subject), orjson.dumps(dict(values))
        await self._client.retry(lambda: self._client.redis.hset(key, subject, text))

    async def remove(self, subject: str) -> None:
        """Let what holds for all hold for it again."""
        key = self._key(subject)
        await self._client.retry(lambda: self._client.redis.hdel(key, subject))

    def _key(self, subject: str) -> str:
        return self._keys.limits(tenant_of_subject(subject))


def tenant_of_subject(subject: str) -> str:
    """The tenant of a principal, or the subject itself."""
    return tenant_of(subject) or subject

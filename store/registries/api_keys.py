"""The API keys: what is kept of each, never the key itself, and when it was last used."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from store.client.client import Client, Reply
from store.keys import Keys

# Named here because inside the class `list` is the method.
KeyList = list["ApiKey"]


@dataclass(frozen=True, slots=True)
class ApiKey:
    """`digest` is the SHA-256 of its secret in hexadecimal; times are milliseconds since 1970.

    `last_used_at` is as exact as its caller notes it; None where that was not asked for, or if it was never used.
    """

    id: str
    digest: str
    tenant: str
    user: str
    roles: tuple[str, ...]
    scopes: tuple[str, ...]
    label: str
    created_at: int
    expires_at: int | None = None
    last_used_at: int | None = None

    @property
    def principal(self) -> str:
        """Whose key it is."""
        return f"{self.tenant}/{self.user}"


class ApiKeys:
    """Keeps the keys, and for each tenant which are its own. Every call may raise StoreUnavailable."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    async def add(self, key: ApiKey) -> None:
        """Keep a new key. It is listed first, so that a crash in between leaves none that cannot be found."""
        index, name, fields = self._keys.api_keys(key.tenant), self._keys.api_key(key.id), _encode(key)
        await self._client.retry(lambda: self._client.redis.zadd(index, {key.id: 0}))
        await self._client.retry(lambda: self._client.redis.hset(name, mapping=fields))

    async def get(self, key_id: str) -> ApiKey | None:
        """The key of this id, if there is one."""
        name = self._keys.api_key(key_id)
        fields: Reply = await self._client.retry(lambda: self._client.redis.hgetall(name))
        return _decode(key_id, fields) if fields else None

    async def get_many(self, key_ids: Sequence[str]) -> dict[str, ApiKey]:
        """The keys of these ids that there are."""
        if not key_ids:
            return {}

        async def ask_all() -> Reply:
            pipeline = self._client.pipeline()
            for key_id in key_ids:
                pipeline.hgetall(self._keys.api_key(key_id))
            return await pipeline.execute()

        found = zip(key_ids, await self._client.retry(ask_all), strict=True)
        return {key_id: _decode(key_id, fields) for key_id, fields in found if fields}

    async def list(self, tenant: str) -> KeyList:
        """The keys of a tenant, the oldest first, each with its last use."""
        index = self._keys.api_keys(tenant)
        entries: Reply = await self._client.retry(lambda: self._client.redis.zrange(index, 0, -1, withscores=True))
        used = {key_id.decode(): int(at) or None for key_id, at in entries}
        found = await self.get_many(list(used))
        keys = [replace(key, last_used_at=used[key_id]) for key_id, key in found.items()]
        return sorted(keys, key=lambda key: (key.created_at, key.id))

    async def note_use(self, key: ApiKey, now: int) -> None:
        """Note that it was used now; a key that has been removed meanwhile stays so."""
        index = self._keys.api_keys(key.tenant)
        await self._client.retry(lambda: self._client.redis.zadd(index, {key.id: now}, xx=True, gt=True))

    async def remove(self, key: ApiKey) -> None:
        """Revoke it: from now on it is a key that has never been."""
        index, name = self._keys.api_keys(key.tenant), self._keys.api_key(key.id)
        await self._client.retry(lambda: self._client.redis.delete(name))
        await self._client.retry(lambda: self._client.redis.zrem(index, key.id))


def _encode(key: ApiKey) -> dict[Any, Any]:
    fields = {
        "digest": key.digest,
        "tenant": key.tenant,
        "user": key.user,
        "roles": " ".join(key.roles),
        "scopes": " ".join(key.scopes),
        "label": key.label,
        "created_at": key.created_at,
    }
    return fields if key.expires_at is None else {**fields, "expires_at": key.expires_at}


def _decode(key_id: str, fields: Mapping[bytes, bytes]) -> ApiKey:
    text = {name.decode(): value.decode() for name, value in fields.items()}
    return ApiKey(
        id=key_id,
        digest=text["digest"],
        tenant=text["tenant"],
        user=text["user"],
        roles=tuple(text["roles"].split()),
        scopes=tuple(text["scopes"].split()),
        label=text["label"],
        created_at=int(text["created_at"]),
        expires_at=int(text["expires_at"]) if "expires_at" in text else None,
    )

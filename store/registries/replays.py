"""Replays: what each was asked, of which conversations, and the results of each as they come."""

import builtins
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import orjson

from store.client.client import Client, Reply
from store.keys import Keys
from store.principals import tenant_name_of
from store.registries.newest import newest_kept

KEPT_SECONDS: Final = 30 * 86_400
"""After the last result, or the last time that it was taken up."""


@dataclass(frozen=True, slots=True)
class ReplayRecord:
    """`order` is opaque here. `conversations` are replayed in this order; `job` is the newest that does it."""

    id: str
    owner: str
    order: bytes
    conversations: Sequence[str]
    created_at: int
    job: str


class Replays:
    """Every call may raise StoreUnavailable. A replay goes with its results, `KEPT_SECONDS` after the last write."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    async def add(self, record: ReplayRecord) -> None:
        """Keep a new replay; once more, it is the same."""
        fields: dict[str, str | bytes | int] = {
            "owner": record.owner,
            "order": record.order,
            "conversations": orjson.dumps(list(record.conversations)),
            "created_at": record.created_at,
            "job": record.job,
        }
        await self._write(record.id, lambda pipeline: pipeline.hset(self._keys.replay(record.id), mapping=fields))
        for name in self._lists_of(record.owner):
            await self._client.retry(partial(self._client.redis.zadd, name, {record.id: record.created_at}))

    async def get(self, replay_id: str) -> ReplayRecord | None:
        """What is known of it; None if there is none, or no more."""
        key = self._keys.replay(replay_id)
        fields: Reply = await self._client.retry(lambda: self._client.redis.hgetall(key))
        if b"order" not in fields:
            return None
        return ReplayRecord(
            id=replay_id,
            owner=fields[b"owner"].decode(),
            order=fields[b"order"],
            conversations=orjson.loads(fields[b"conversations"]),
            created_at=int(fields[b"created_at"]),
            job=fields[b"job"].decode(),
        )

    async def set_job(self, replay_id: str, job: str) -> None:
        """Another job takes it up."""
        await self._write(replay_id, lambda pipeline: pipeline.hset(self._keys.replay(replay_id), "job", job))

    async def keep(self, replay_id: str, index: int, rows: bytes) -> None:
        """The results of the conversation at that place: the first ones that come count."""
        key = self._keys.replay_results(replay_id)
        await self._write(replay_id, lambda pipeline: pipeline.hsetnx(key, str(index), rows))

    async def done(self, replay_id: str) -> set[int]:
        """The places of the conversations of which there are results."""
        key = self._keys.replay_results(replay_id)
        found: Reply = await self._client.retry(lambda: self._client.redis.hkeys(key))
        return {int(index) for index in found}

    async def count_done(self, replay_id: str) -> int:
        """Of how many conversations there are results."""
        key = self._keys.replay_results(replay_id)
        return int(await self._client.retry(lambda: self._client.redis.hlen(key)))

    async def results(self, replay_id: str, indexes: Sequence[int]) -> builtins.list[bytes | None]:
        """The results of these conversations, None where there are none yet."""
        if not indexes:
            return []
        key, names = self._keys.replay_results(replay_id), [str(index) for index in indexes]
        found: Reply = await self._client.retry(lambda: self._client.redis.hmget(key, names))
        return list(found)

    async def remove(self, replay_id: str, owner: str) -> None:
        """Forget it with its results."""
        names = [self._keys.replay(replay_id), self._keys.replay_results(replay_id)]
        await self._client.retry(lambda: self._client.redis.unlink(*names))
        for name in self._lists_of(owner):
            await self._client.retry(partial(self._client.redis.zrem, name, replay_id))

    async def list(
        self,
        owner: str | None,
        *,
        tenant: str | None = None,
        limit: int,
        before: tuple[int, str] | None = None,
    ) -> tuple[builtins.list[ReplayRecord], tuple[int, str] | None]:
        """A page of an owner's replays, else of a tenant's, else of all; newest first, and where the next begins."""
        key = self._keys.replays if tenant is None else self._keys.replays_of_tenant(tenant)
        if owner is not None:
            key = self._keys.replays_of(owner)
        return await newest_kept(self._client, key, limit, before, self.get)

    def _lists_of(self, owner: str) -> tuple[str, str, str]:
        keys = self._keys
        return keys.replays, keys.replays_of(owner), keys.replays_of_tenant(tenant_name_of(owner))

    async def _write(self, replay_id: str, write: Callable[[Any], object]) -> None:
        """Write, and let both keys live on as long."""

        async def run() -> None:
            pipeline = self._client.pipeline()
            write(pipeline)
            pipeline.expire(self._keys.replay(replay_id), KEPT_SECONDS)
            pipeline.expire(self._keys.replay_results(replay_id), KEPT_SECONDS)
            await pipeline.execute()

        await self._client.retry(run)

"""What agents remember of each person: a few hundred short texts, opaque here, each changed by its revision."""

from dataclasses import dataclass
from typing import Final

from store.client.client import Client, Reply
from store.client.script import KEEP_MEMORY, Argument
from store.errors import TooManyMemories
from store.keys import Keys

MAX_MEMORIES: Final = 1000
"""Of one person."""


@dataclass(frozen=True, slots=True)
class MemoryRecord:
    """`data` is JSON; `revision` counts its changes from 1."""

    id: str
    revision: int
    data: bytes


class Memories:
    """Keeps the memories of every principal. Every call may raise StoreUnavailable."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    async def all(self, principal: str) -> list[MemoryRecord]:
        """All memories of the person, in no order."""
        key = self._keys.memories(principal)
        found: Reply = await self._client.retry(lambda: self._client.redis.hgetall(key))
        return [_decode(name.decode(), value) for name, value in found.items()]

    async def get(self, principal: str, memory_id: str) -> MemoryRecord | None:
        """One of them, if there is one of that id."""
        key = self._keys.memories(principal)
        value: Reply = await self._client.retry(lambda: self._client.redis.hget(key, memory_id))
        return None if value is None else _decode(memory_id, value)

    async def keep(self, principal: str, memory_id: str, data: bytes, *, revision: int) -> int | None:
        """Write one whose revision was this (0: a new one); its new revision, None: it has changed meanwhile.

        That may also be this very call, if its answer was lost: read it again. Raises TooManyMemories.
        """
        return await self._change(principal, memory_id, data, revision)

    async def forget(self, principal: str, memory_id: str, *, revision: int) -> bool:
        """Forget one whose revision was this; False: it has changed, or is gone."""
        return await self._change(principal, memory_id, b"", revision) is not None

    async def forget_all(self, principal: str) -> None:
        """Forget whatever there is."""
        key = self._keys.memories(principal)
        await self._client.retry(lambda: self._client.redis.delete(key))

    async def _change(self, principal: str, memory_id: str, data: bytes, revision: int) -> int | None:
        names, arguments = (
            [self._keys.memories(principal)],
            list[Argument]([memory_id, str(revision), data, MAX_MEMORIES]),
        )
        changed = int(await self._client.retry(lambda: self._client.run_confirmed(KEEP_MEMORY, names, arguments)))
        if changed < 0:
            raise TooManyMemories(MAX_MEMORIES)
        return changed or None


def _decode(memory_id: str, value: bytes) -> MemoryRecord:
    revision, _, data = value.partition(b" ")
    return MemoryRecord(memory_id, int(revision), data)

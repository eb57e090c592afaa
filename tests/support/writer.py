"""A writer that keeps its claim and the end of its log, as the driver does; and helpers to inspect the store."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Self

from store import Store
from store.feed.entry import Notice
from store.records import Claim
from store.registries.usage import OwnUsage

NOW = 1_700_000_000_000


class Writer:
    """Appends batches one after another under one claim."""

    def __init__(self, store: Store, claim: Claim) -> None:
        self.store = store
        self.claim = claim
        self.last_seq = claim.meta.last_seq

    @classmethod
    async def of(cls, store: Store, conversation_id: str) -> Self:
        """Claim an existing conversation."""
        return cls(store, await store.log.claim(conversation_id))

    @classmethod
    async def new(cls, store: Store, conversation_id: str, *, principal: str = "ada") -> Self:
        """Create a conversation and claim it."""
        await store.registry.create(conversation_id, agent="default", principal=principal, now=NOW)
        return await cls.of(store, conversation_id)

    async def append(
        self,
        *records: bytes,
        state: bytes = b"{}",
        due_at: int | None = None,
        notice: bytes | None = None,
        client_ids: Mapping[str, int] | None = None,
        summary_seq: int | None = None,
        restores: bool = False,
        used: OwnUsage | None = None,
        feed: Sequence[Notice] = (),
        now: int = NOW,
        give_up: Callable[[], bool] = lambda: False,
    ) -> int:
        """Append after the last seq that this writer knows."""
        self.last_seq = await self.store.log.append(
            self.claim,
            records,
            expected_last_seq=self.last_seq,
            state=state,
            due_at=due_at,
            now=now,
            notice=notice,
            client_ids=client_ids or {},
            summary_seq=summary_seq,
            restores=restores,
            used=used,
            feed=feed,
            give_up=give_up,
        )
        return self.last_seq


async def until(condition: Callable[[], bool]) -> None:
    """Poll a condition, for at most five seconds."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.002)


async def texts(store: Store, conversation_id: str) -> list[str]:
    """The whole log as text."""
    return [record.data.decode() for record in await store.log.read(conversation_id)]

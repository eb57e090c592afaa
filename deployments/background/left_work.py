"""Looks after work whose process has died: batches that do not know of their job's end, and what replays have left."""

import asyncio
from contextlib import suppress
from typing import Final

import structlog

from agents.clock import now_ms
from agents.replay.replay import REPLAYED_DIGITS, replayed_id
from deployments.background.periodic import run_periodically
from deployments.batches.client import BatchClient
from deployments.process.store import connect_store
from deployments.replay.run_some import APART
from deployments.settings import Settings
from store import ConversationMeta, ConversationNotFound, Store
from store.registries.lists import ALL, Position

log = structlog.get_logger(__name__)

BATCHES_SECONDS: Final = 60.0
REPLAYS_SECONDS: Final = 600.0
YOUNG_MS: Final = 3_600_000
"""One that is younger may be a running task's, whose replay was deleted a moment ago."""
PAGE: Final = 200
ID_LENGTH: Final = len("replay-") + REPLAYED_DIGITS


class LeftWork:
    """Runs in every ingress replica; that several do the same does no harm."""

    def __init__(self, settings: Settings, store: Store, batches: BatchClient) -> None:
        self._settings = settings
        self._store = store
        self._batches = batches

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(run_periodically(self._batches.follow_jobs, BATCHES_SECONDS, "batches_not_looked_after"))
            group.create_task(run_periodically(self._delete_left, REPLAYS_SECONDS, "replays_not_looked_after"))

    async def _delete_left(self) -> None:
        apart = connect_store(self._settings, apart=APART)  # seldom, so no connection is kept for it
        try:
            await delete_left(self._store, apart, now_ms())
        finally:
            await apart.aclose()


async def delete_left(store: Store, apart: Store, now: int) -> int:
    """Delete the ones of replays that are not kept any more in `store`; how many. `now` is in ms.

    A replay deletes each of its conversations as soon as its results are kept. What is left in `apart` is of replays
    whose process was killed; while such a replay is kept it may be resumed, and goes on there. Raises StoreUnavailable.
    """
    left = [meta for meta in await _conversations(apart) if meta.created_at < now - YOUNG_MS]
    if not left:  # nearly always
        return 0
    known = await _taken_up_again(store)
    gone = [meta.id for meta in left if meta.id[:ID_LENGTH] not in known]
    for conversation_id in gone:
        with suppress(ConversationNotFound):
            await apart.registry.delete(conversation_id)
    if gone:
        log.info("replayed_conversations_deleted", count=len(gone))
    return len(gone)


async def _conversations(apart: Store) -> list[ConversationMeta]:
    found: list[ConversationMeta] = []
    after: Position | None = None
    while True:
        metas, after = await apart.registry.list(ALL, limit=PAGE, sort="created", after=after)
        found += metas
        if after is None:
            return found


async def _taken_up_again(store: Store) -> set[str]:
    """The ids that the replays which are kept give to their conversations."""
    known: set[str] = set()
    before: tuple[int, str] | None = None
    while True:
        records, before = await store.replays.list(None, limit=PAGE, before=before)
        known |= {replayed_id(record.id, source) for record in records for source in record.conversations}
        if before is None:
            return known

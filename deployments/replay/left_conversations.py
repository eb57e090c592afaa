"""Deletes the conversations that replays had of their own, and that no replay will take up again."""

from contextlib import suppress
from typing import Final

import structlog

from agents.replay.replay import REPLAYED_DIGITS, replayed_id
from store import ConversationMeta, ConversationNotFound, Store
from store.registries.lists import ALL, Position

log = structlog.get_logger(__name__)

YOUNG_MS: Final = 3_600_000
"""One that is younger may be a running task's, whose replay was deleted a moment ago."""
PAGE: Final = 200
ID_LENGTH: Final = len("replay-") + REPLAYED_DIGITS


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

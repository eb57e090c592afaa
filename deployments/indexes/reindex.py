"""Makes every index of conversations again, from their logs and their metadata, while the service runs."""

from collections.abc import Callable
from dataclasses import dataclass

import orjson

from agents.clock import now_ms
from agents.codec import decode
from agents.conversation.journal import due_at, receipt_id
from agents.conversation.running_turn import replay_turn
from agents.errors import UnreadableRecord
from agents.turn import fsm_state
from agents.turn.events import Suspension
from store import ConversationMeta, Store
from store.errors import ArchiveDamaged, ArchiveUnavailable

PAGE_EVENTS = 500
PAGE_BYTES = 4 * 1024**2
UNREADABLE = (UnreadableRecord, ArchiveUnavailable, ArchiveDamaged)


@dataclass(slots=True)
class Reindexed:
    """What was found. `unreadable` conversations have a log that cannot be read now, and keep what they had.

    `orphans` are conversations of sub-agents whose parent is gone.
    """

    conversations: int = 0
    unfinished: int = 0
    orphans: int = 0
    unreadable: int = 0
    lists: int = 0
    keys: int = 0


async def reindex(store: Store, report: Callable[[Reindexed], object] = lambda _: None) -> Reindexed:
    """Make the lists, the children, the unfinished turns, the client ids and the lists of API keys again.

    What is right stays as it is at every moment, and what changes meanwhile is not touched. The texts of the search are
    dropped: they are made when they are next searched. `report` is called again and again. Raises StoreUnavailable.
    """
    done = Reindexed()
    async for metas in store.reindex.conversations():
        await store.reindex.repair_lists(metas)
        await store.reindex.drop_texts(metas)
        for meta in metas:
            done.conversations += 1
            done.orphans += not await store.reindex.repair_child(meta)
            try:
                done.unfinished += await _repair_state(store, meta)
                await _repair_client_ids(store, meta)
            except UNREADABLE:
                done.unreadable += 1
        report(done)
    async for names in store.reindex.unfinished():
        there = {meta.id for meta in await store.registry.get_many(names)}
        for name in names:
            if name not in there:
                await store.reindex.repair_state(name, None, b"", None)
    done.lists = await store.reindex.remove_leftovers()
    done.keys = await store.reindex.repair_key_lists()
    report(done)
    return done


async def reindex_lists(store: Store) -> None:
    """Make the lists alone again, for which no log is read. Raises StoreUnavailable."""
    async for metas in store.reindex.conversations():
        await store.reindex.repair_lists(metas)


async def _repair_state(store: Store, meta: ConversationMeta) -> bool:
    """Tell whether a turn is unfinished. A log that goes on meanwhile has set both itself."""
    if meta.last_seq == 0:
        await store.reindex.repair_state(meta.id, 0, b"", None)
        return False
    facts = (await replay_turn(store, meta.id)).facts
    state = orjson.dumps(fsm_state(facts))
    await store.reindex.repair_state(meta.id, facts.last_seq, state, due_at(facts, now_ms()))
    return facts.running


async def _repair_client_ids(store: Store, meta: ConversationMeta) -> None:
    """Of the records that are still in Redis: what the archive has taken, it finds by itself."""
    after, asked = meta.archived_seq or 0, set[str]()
    while records := await store.log.page(meta.id, after=after, limit=PAGE_EVENTS, max_bytes=PAGE_BYTES):
        ids: dict[str, int] = {}
        for record in records:
            event = decode(record).event
            if (found := receipt_id(event)) is not None and found not in asked:
                ids[found] = record.seq
                if isinstance(event, Suspension):  # a call that asks again is found by its first question
                    asked.add(found)
        await store.reindex.repair_client_ids(meta.id, after + 1, records[-1].seq, ids)
        after = records[-1].seq

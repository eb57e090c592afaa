"""Waits until no turn is unfinished, and reads what the store has of the conversations."""

import asyncio
import time
from collections.abc import Sequence

import orjson

from agents.codec import wire_record
from store import ConversationMeta, Store
from tests.chaos.evidence import StoredTranscript


async def with_sub_agents(store: Store, conversations: Sequence[str]) -> list[ConversationMeta]:
    """These conversations and the conversations of their sub-agents."""
    metas = [await store.registry.get(conversation) for conversation in conversations]
    for meta in metas:  # the list grows meanwhile
        metas += await store.registry.children(meta.id)
    return metas


async def read_transcripts(store: Store, conversations: Sequence[str]) -> dict[str, StoredTranscript]:
    """What the store has of these conversations and their sub-agents, by id."""
    unfinished = set(await store.registry.unfinished(2**60, 100_000))
    found = {}
    for meta in await with_sub_agents(store, conversations):
        log = [wire_record(record, meta.id) for record in await store.log.read(meta.id)]
        state = None if meta.state is None else orjson.loads(meta.state)
        found[meta.id] = StoredTranscript(meta.id, log, meta.last_seq, state, meta.id in unfinished, meta.parent)
    return found


async def wait_until_heard(store: Store, seconds: float) -> None:
    """Wait until every group of the feed has what there is, for so long at most."""
    deadline = time.monotonic() + seconds
    while any(group.lag for group in await store.feed.states()) and time.monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.1)


async def wait_until_finished(store: Store, seconds: float) -> bool:
    """Wait until no turn is unfinished; False if there still is one after `seconds`."""
    deadline = time.monotonic() + seconds
    while await store.registry.unfinished(2**60, 1):
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.2)
    return True

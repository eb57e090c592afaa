"""Waits until the system has come to rest, and takes down what the store holds then."""

import asyncio
import time
from collections.abc import Sequence

import orjson

from agents.codec import wire_record
from store import ConversationMeta, Store
from tests.chaos.evidence import Transcript


async def family(store: Store, conversations: Sequence[str]) -> list[ConversationMeta]:
    """These conversations and their sub-agents'."""
    metas = [await store.registry.get(conversation) for conversation in conversations]
    for meta in metas:  # grows while it is walked
        metas += await store.registry.children(meta.id)
    return metas


async def transcripts(store: Store, conversations: Sequence[str]) -> dict[str, Transcript]:
    """What the store holds of them all."""
    unfinished = set(await store.registry.unfinished(2**60, 100_000))
    found = {}
    for meta in await family(store, conversations):
        log = [wire_record(record, meta.id) for record in await store.log.read(meta.id)]
        state = None if meta.state is None else orjson.loads(meta.state)
        found[meta.id] = Transcript(meta.id, log, meta.last_seq, state, meta.id in unfinished, meta.parent)
    return found


async def at_rest(store: Store, seconds: float) -> bool:
    """Whether no turn is unfinished any more, some time before `seconds` are over."""
    deadline = time.monotonic() + seconds
    while await store.registry.unfinished(2**60, 1):
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.2)
    return True

"""Forks a conversation: its log up to some point and its files become a conversation of their own."""

import hashlib
from dataclasses import dataclass

import orjson

from agents.copies.whole_turns import read_whole_turns
from agents.errors import Refused
from agents.turn import Facts, fsm_state
from store import ConversationExists, ConversationMeta, Scope, Store
from store.registries.copies import Copy, CopyMeta


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFork:
    """The conversation that a fork will be: of `principal`; without a `title` it has that of the source."""

    id: str
    principal: str
    channel: str
    title: str | None = None
    project: str | None = None


async def fork(store: Store, source: ConversationMeta, seq: int | None, new: NewFork, now: int) -> ConversationMeta:
    """Make the log of `source` up to seq `seq` (None: all of it) a new conversation; see `read_whole_turns`.

    The files of the conversation are copied as they are now. Its members, what its budget has used and the records of
    its model calls are not, and its sub-agents' conversations stay with it: what they have answered is in the log. The
    same fork under the same id is one, however often it is asked for.

    Raises `Refused` while the first turn runs, `store.ConversationExists`, `store.ConversationNotFound`,
    `UnreadableRecord`, and what a read may raise of the archive.
    """
    copy_id = _copy_id(source, seq, new.principal)
    for known in await store.registry.get_many([new.id]):
        if known.copy == copy_id:
            return known
        raise ConversationExists(new.id)
    copy = await store.copies.begin(new.id, copy_id)
    try:
        facts, summary_seq = await _copy_log(store, source, seq, copy)
        if not facts.last_seq and source.last_seq and seq != 0:
            raise Refused("turn_running", "Its first turn has not ended yet: there is nothing to fork.")
        await _copy_files(store, source, copy)
        await store.registry.get(source.id)  # what has been deleted meanwhile lives on in no copy
        meta = CopyMeta(
            agent=source.agent,
            principal=new.principal,
            channel=new.channel,
            title=new.title or source.title,
            placement=source.placement,
            project=new.project,
            created_at=now,
            updated_at=now,
            state=orjson.dumps(fsm_state(facts)) if facts.last_seq else None,
            summary_seq=summary_seq,
            format=source.format,
            forked_from=source.id,
            forked_seq=facts.last_seq,
        )
        return await store.copies.complete(copy, meta)
    finally:
        await copy.discard()


async def _copy_log(store: Store, source: ConversationMeta, seq: int | None, copy: Copy) -> tuple[Facts, int | None]:
    """The facts at the end of the copied log, and where its latest summary is."""
    facts, summary_seq = Facts(), None
    async for turns in read_whole_turns(store, source, seq):
        await copy.append([record.data for record in turns.records], turns.client_ids)
        facts, summary_seq = turns.facts, turns.summary_seq or summary_seq
    return facts, summary_seq


async def _copy_files(store: Store, source: ConversationMeta, copy: Copy) -> None:
    async for file in store.files.read_all(Scope("conversation", source.root)):
        await copy.add_file(file)
        await copy.keep()


def _copy_id(source: ConversationMeta, seq: int | None, principal: str) -> str:
    """By what a repetition is known: the same person asks for the same part of the same conversation."""
    return hashlib.sha256(orjson.dumps(["fork", source.id, source.created_at, seq, principal])).hexdigest()

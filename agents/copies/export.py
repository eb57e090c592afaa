"""Exports a conversation, with those of its sub-agents, as the file that an import reads back."""

import base64
import hashlib
from collections.abc import AsyncIterator

import orjson

from agents.copies.file_format import FORMAT, VERSION, ConversationLine, End, FileLine, fields_of
from agents.copies.whole_turns import read_whole_turns
from store import ConversationMeta, Record, Scope, Store


async def export(store: Store, meta: ConversationMeta, now: int) -> AsyncIterator[bytes]:
    """The lines of the file, some at a time: of each log the turns that have ended, with files as they are now.

    Raises what `read_whole_turns` raises.
    """
    digest = hashlib.sha256()
    header = orjson.dumps({"format": FORMAT, "version": VERSION, "exported_at": now}) + b"\n"
    digest.update(header)
    yield header
    waiting, count = [meta], 0
    while waiting:
        one = waiting.pop(0)
        count += 1
        last_seq = 0
        async for lines, last in _conversation(store, one):
            digest.update(lines)
            last_seq = max(last_seq, last)
            yield lines
        # The call that has started one may stand in the turn that is left out.
        waiting += [child for child in await store.registry.children(one.id) if child.parent_seq <= last_seq]
    yield orjson.dumps({"end": fields_of(End(conversations=count, sha256=digest.hexdigest()))}) + b"\n"


async def _conversation(store: Store, meta: ConversationMeta) -> AsyncIterator[tuple[bytes, int]]:
    """The lines of one conversation, each time with the last seq among them."""
    described = ConversationLine(
        id=meta.id,
        agent=meta.agent,
        owner=meta.principal,
        channel=meta.channel,
        created_at=meta.created_at,
        updated_at=meta.updated_at,
        title=meta.title,
        placement=meta.placement,
        project=meta.project,
        parent=meta.parent,
        parent_call=meta.parent_call,
        parent_seq=meta.parent_seq,
        forked_from=meta.forked_from,
        forked_seq=meta.forked_seq,
    )
    yield orjson.dumps({"conversation": fields_of(described)}) + b"\n", 0
    async for file in store.files.read_all(Scope("conversation", meta.id)):
        info, content = file.info, base64.b64encode(file.content).decode()
        line = FileLine(path=info.path, version=info.version, updated_at=info.updated_at, base64=content)
        yield orjson.dumps({"file": fields_of(line)}) + b"\n", 0
    async for turns in read_whole_turns(store, meta):
        yield b"".join(map(_line, turns.records)), turns.facts.last_seq


def _line(record: Record) -> bytes:
    """The record as it is stored: it is JSON already."""
    data = record.data if b"\n" not in record.data else orjson.dumps(orjson.loads(record.data))
    return b'{"seq":%d,"record":%b}\n' % (record.seq, data)

"""The values the store hands out: records, conversation metadata and claims."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Record:
    """One entry of a log. `data` is opaque here: whoever wrote it keeps its version inside."""

    seq: int
    data: bytes


@dataclass(frozen=True, slots=True)
class ConversationMeta:
    """What is known about a conversation without reading its log; times are milliseconds since 1970."""

    id: str
    agent: str
    title: str | None
    principal: str
    channel: str
    created_at: int
    updated_at: int
    epoch: int
    last_seq: int
    state: bytes | None


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to write to a conversation, until somebody else claims it."""

    conversation_id: str
    epoch: int
    meta: ConversationMeta


def decode_meta(conversation_id: str, fields: Mapping[bytes, bytes]) -> ConversationMeta:
    """Read the meta hash as it comes from Redis."""
    title = fields.get(b"title")
    return ConversationMeta(
        id=conversation_id,
        agent=fields[b"agent"].decode(),
        title=None if title is None else title.decode(),
        principal=fields[b"principal"].decode(),
        channel=fields[b"channel"].decode(),
        created_at=int(fields[b"created_at"]),
        updated_at=int(fields[b"updated_at"]),
        epoch=int(fields[b"epoch"]),
        last_seq=int(fields[b"last_seq"]),
        state=fields.get(b"state"),
    )

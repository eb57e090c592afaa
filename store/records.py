"""The values that the store returns: records, conversation metadata and claims."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Placement = Literal["auto", "dedicated", "shared"]


@dataclass(frozen=True, slots=True)
class Record:
    """One entry of a log. `data` is opaque here; its writer keeps the version of its format inside."""

    seq: int
    data: bytes


@dataclass(frozen=True, slots=True)
class ConversationMeta:
    """What is known about a conversation without reading its log; times are milliseconds since 1970.

    A child was started by `parent`'s tool call `parent_call`, which is at `parent_seq` of its log; `root` is the
    oldest ancestor (its own id if there is none), `depth` the number of ancestors. `summary_seq` is where the latest
    summary is in the log. `archived_seq` is the last seq in the archive: 0 when the first segment may be written at any
    moment, None before that. `place` is the name of the actor in which the last writer lived, in `cluster`;
    `placement` is what was asked for. `format` is the newest format of records that any of its writers could read.
    """

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
    root: str
    parent: str | None = None
    parent_call: str | None = None
    parent_seq: int = 0
    depth: int = 0
    summary_seq: int | None = None
    archived_seq: int | None = None
    place: str | None = None
    cluster: str | None = None
    placement: Placement | None = None
    format: int = 0


@dataclass(frozen=True, slots=True)
class Parent:
    """What started a child: the tool call `tool_call_id` of a conversation, at `seq` of its log.

    `root` is the parent's root, `depth` the child's own depth (1 below a root).
    """

    conversation_id: str
    tool_call_id: str
    root: str
    depth: int
    seq: int


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to write to a conversation, until another writer claims it.

    `lost` is how many writers in a row have died at the turn that is unfinished, without any progress of it.
    """

    conversation_id: str
    epoch: int
    meta: ConversationMeta
    lost: int = 0


def decode_meta(conversation_id: str, fields: Mapping[bytes, bytes]) -> ConversationMeta:
    """The metadata in a meta hash as Redis returns it."""
    placement: Any = _text(fields, b"placement")
    return ConversationMeta(
        id=conversation_id,
        agent=fields[b"agent"].decode(),
        title=_text(fields, b"title"),
        principal=fields[b"principal"].decode(),
        channel=fields[b"channel"].decode(),
        created_at=int(fields[b"created_at"]),
        updated_at=int(fields[b"updated_at"]),
        epoch=int(fields[b"epoch"]),
        last_seq=int(fields[b"last_seq"]),
        state=fields.get(b"state"),
        root=_text(fields, b"root") or conversation_id,
        parent=_text(fields, b"parent"),
        parent_call=_text(fields, b"parent_call"),
        parent_seq=int(fields.get(b"parent_seq", 0)),
        depth=int(fields.get(b"depth", 0)),
        summary_seq=_number(fields, b"summary_seq"),
        archived_seq=_number(fields, b"archived_seq"),
        place=_text(fields, b"place"),
        cluster=_text(fields, b"cluster"),
        placement=placement,
        format=int(fields.get(b"format", 0)),
    )


def _number(fields: Mapping[bytes, bytes], name: bytes) -> int | None:
    value = fields.get(name)
    return None if value is None else int(value)


def _text(fields: Mapping[bytes, bytes], name: bytes) -> str | None:
    value = fields.get(name)
    return None if value is None else value.decode()

"""The values that the store returns: records, conversation metadata and claims."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from store.principals import tenant_of

MEMBER = b"member:"
"""What the names of the fields begin with that hold the role of a member; the principal follows."""
Placement = Literal["auto", "dedicated", "shared"]


@dataclass(frozen=True, slots=True)
class Record:
    """One entry of a log. `data` is opaque here; its writer keeps the version of its format inside.

    `epoch` is that of its writer; None if it is not known: it was copied from another conversation or a file, or
    written by older code, or it is in the archive.
    """

    seq: int
    data: bytes
    epoch: int | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Losses:
    """Writers in a row that have died at the turn that is unfinished, without any progress of it.

    `last_by_itself` says of the last one that no other conversation can have ended it: none lived in its process, or it
    failed by an error of its own.
    """

    count: int = 0
    last_by_itself: bool = False


@dataclass(frozen=True, slots=True)
class ConversationMeta:
    """What is known about a conversation without reading its log; times are milliseconds since 1970.

    A child was started by `parent`'s tool call `parent_call`, which is at `parent_seq` of its log; `root` is the
    oldest ancestor (its own id if there is none), `depth` the number of ancestors. `summary_seq` is where the latest
    summary is in the log. `archived_seq` is the last seq in the archive: 0 when the first segment may be written at any
    moment, None before that. `place` is the name of the actor in which the last writer lived, in `cluster`;
    `placement` is what was asked for. `format` is the newest format of records that any of its writers could read.
    `lost` does not count the last writer, which may live: `exit` is why it has ended, None if it has not said so, and
    `is_alone` that no other conversation lives in its process. `ended` is why the writer before it has ended, the last
    one that could be reached: `crash` if it has not said so. `archived_at` has nothing to do with the archive of
    records: it is when the owner put the conversation out of the lists.

    `forked_from` is the conversation with whose log up to `forked_seq` it began, `imported_at` (ms) when it was read
    from a file; `copy` is by what a repetition of either is known.

    `principal` is the owner; `members` are others with their roles, of a root: its descendants have the same. `project`
    is the name of one of the owner's tenant. `trace` is the W3C traceparent of the span of the turn that is unfinished,
    if there is a trace.
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
    archived_at: int | None = None
    place: str | None = None
    cluster: str | None = None
    placement: Placement | None = None
    format: int = 0
    lost: Losses = Losses()
    exit: str | None = None
    ended: str | None = None
    is_alone: bool = False
    members: Mapping[str, str] = field(default_factory=dict)
    project: str | None = None
    forked_from: str | None = None
    forked_seq: int = 0
    imported_at: int | None = None
    copy: str | None = None
    trace: str | None = None

    @property
    def project_id(self) -> str | None:
        """The project's id in the whole service: with the tenant of the owner, if there are tenants."""
        return None if self.project is None else project_id_of(self.principal, self.project)

    def involves(self, principal: str) -> bool:
        """Whether it is the owner or a member."""
        return principal == self.principal or principal in self.members


def project_id_of(principal: str, project: str) -> str:
    """The id of a project in the principal's tenant."""
    tenant = tenant_of(principal)
    return project if tenant is None else f"{tenant}/{project}"


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
    """The right to write to a conversation, until another writer claims it."""

    conversation_id: str
    epoch: int
    meta: ConversationMeta


def decode_meta(conversation_id: str, fields: Mapping[bytes, bytes]) -> ConversationMeta:
    """The metadata in a meta hash as Redis returns it."""
    placement: Any = _text(fields, b"placement")
    lost = fields.get(b"lost", b"").split()
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
        archived_at=_number(fields, b"archived_at"),
        place=_text(fields, b"place"),
        cluster=_text(fields, b"cluster"),
        placement=placement,
        format=int(fields.get(b"format", 0)),
        lost=Losses(len(lost), bool(lost) and lost[-1].endswith(b"!")),
        exit=_text(fields, b"exit"),
        ended=(_text(fields, b"ended") or "").partition(" ")[0] or None,
        is_alone=fields.get(b"process") == fields[b"epoch"] + b"!",
        members={
            name[len(MEMBER) :].decode(): role.decode() for name, role in fields.items() if name.startswith(MEMBER)
        },
        project=_text(fields, b"project"),
        forked_from=_text(fields, b"forked_from"),
        forked_seq=int(fields.get(b"forked_seq", 0)),
        imported_at=_number(fields, b"imported_at"),
        copy=_text(fields, b"copy"),
        trace=_text(fields, b"trace"),
    )


def _number(fields: Mapping[bytes, bytes], name: bytes) -> int | None:
    value = fields.get(name)
    return None if value is None else int(value)


def _text(fields: Mapping[bytes, bytes], name: bytes) -> str | None:
    value = fields.get(name)
    return None if value is None else value.decode()

"""A line of the audit: what it says, the bytes it is kept as, and the hash that chains it to the line before."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, Final

import orjson

NO_HASH: Final = "0" * 64
"""What the first line of a chain has in place of the hash of the line before."""
UNREADABLE: Final[Mapping[str, Any]] = MappingProxyType({"type": "unreadable", "at": 0, "recorded_at": 0, "seq": 0})
TRIMMED: Final = "audit_trimmed"
"""The type of the line that says which lines have been removed because they were old enough."""


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """What is to be written. The same `id` again is the same event, so it is written once; `at` is ms since 1970.

    `principal` has acted, `on_behalf_of` is for whom; `data` has JSON values without floats, and nothing secret.
    """

    id: str
    type: str
    at: int
    principal: str | None = None
    on_behalf_of: str | None = None
    conversation_id: str | None = None
    outcome: str | None = None
    data: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


EVENT_FIELDS: Final = tuple(field.name for field in fields(AuditEvent))


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain: the seq of its last line, its hash, and when it was written (ms). Seqs begin with 1."""

    tenant: str
    seq: int = 0
    hash: str = NO_HASH
    at: int = 0


@dataclass(frozen=True, slots=True)
class AuditLine:
    """A line as it was read: `seq` is its place in the chain, `body` the bytes that its hash is of."""

    seq: int
    body: bytes

    @property
    def hash(self) -> str:
        """The SHA-256 of the body, in hexadecimal."""
        return hashlib.sha256(self.body).hexdigest()

    def fields(self) -> dict[str, Any]:
        """What it says: the fields of `AuditEvent` that it has, `seq`, `tenant`, `previous`, `recorded_at` and `hash`.

        A body that is no line of ours, because it was changed, is one of the type `unreadable`.
        """
        try:
            said = orjson.loads(self.body)
        except ValueError:
            said = None
        if not isinstance(said, dict) or not UNREADABLE.keys() <= said.keys():
            said = {**UNREADABLE, "seq": self.seq}
        return {**said, "hash": self.hash}

    def exported(self) -> bytes:
        """It as a line of JSON Lines, its hash included."""
        return orjson.dumps(self.fields(), option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)


def parse_exported(text: bytes) -> AuditLine:
    """A line as `exported` gave it. Raises ValueError if it is none."""
    found = orjson.loads(text)
    if not isinstance(found, dict) or not isinstance(found.get("seq"), int) or "hash" not in found:
        raise ValueError("this is no line of an audit")
    shown = found.pop("hash")
    line = AuditLine(found["seq"], _canonical(found))
    # A hash that was changed with nothing else must be found as well: then the line is taken for a changed one.
    return line if line.hash == shown else AuditLine(line.seq, text.strip())


def follow(head: Head, event: AuditEvent, now: int) -> tuple[AuditLine, Head]:
    """The line for an event behind `head`, and the head that it makes. The times of a chain never go back."""
    said = {name: value for name in EVENT_FIELDS if (value := getattr(event, name)) is not None}
    recorded_at = max(now, head.at)
    place = {"tenant": head.tenant, "seq": head.seq + 1, "previous": head.hash, "recorded_at": recorded_at}
    line = AuditLine(head.seq + 1, _canonical({**said, **place}))
    return line, Head(head.tenant, line.seq, line.hash, recorded_at)


def _canonical(said: Mapping[str, Any]) -> bytes:
    """JSON in UTF-8, keys sorted, no spaces: the same fields are always the same bytes."""
    return orjson.dumps(said, option=orjson.OPT_SORT_KEYS, default=dict)

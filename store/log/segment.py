"""A segment of the archive: consecutive records of one log, compressed, checksummed and never changed.

It is gzip of JSON Lines. The first line is `{"conversation", "first", "last", "clients"}`: `clients` maps the client
ids of its messages to their seqs. Then comes a line for each record, `{"seq", "data"}`, or `{"seq", "base64"}` if its
bytes are not text. The file name has the range, and the first 16 digits of the SHA-256 of the text: so a segment that
is written again after a crash is the same file.
"""

import base64
import gzip
import hashlib
import re
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import orjson

from store.errors import ArchiveDamaged
from store.records import Record

COMPRESSION_LEVEL = 6
NAME = re.compile(r"(\d{12})-(\d{12})-[0-9a-f]{16}\.jsonl\.gz")


@dataclass(frozen=True, slots=True, order=True)
class SegmentName:
    """The range of seqs in the segment `file`, both ends included."""

    first: int
    last: int
    file: str

    @classmethod
    def parse(cls, file: str) -> Self:
        """Raises ValueError."""
        match = NAME.fullmatch(file)
        if match is None:
            raise ValueError(f"{file!r} is not the name of a segment")
        return cls(int(match[1]), int(match[2]), file)


@dataclass(frozen=True, slots=True)
class Segment:
    """The records of a segment, without gaps, and the client ids among them."""

    records: Sequence[Record]
    clients: Mapping[str, int]


def pack(conversation_id: str, segment: Segment) -> tuple[SegmentName, bytes]:
    """The name and the bytes of a segment; equal for equal content."""
    first, last = segment.records[0].seq, segment.records[-1].seq
    body = b"".join(map(_line, segment.records))
    head = {
        "conversation": conversation_id,
        "first": first,
        "last": last,
        "clients": dict(sorted(segment.clients.items())),
    }
    text = orjson.dumps(head) + b"\n" + body
    return _name(first, last, text), gzip.compress(text, COMPRESSION_LEVEL, mtime=0)


def unpack(conversation_id: str, name: SegmentName, content: bytes) -> Segment:
    """Read a segment back; raises ArchiveDamaged unless it is exactly what was written."""

    def damaged(problem: str) -> ArchiveDamaged:
        return ArchiveDamaged(conversation_id, name.file, problem)

    try:
        text = gzip.decompress(content)
    except (EOFError, OSError, zlib.error) as error:
        raise damaged(f"it cannot be read ({error})") from error
    if _name(name.first, name.last, text) != name:
        raise damaged("its checksum is wrong")
    head, *lines = map(orjson.loads, text.splitlines())
    if head["conversation"] != conversation_id:
        raise damaged(f"it belongs to {head['conversation']!r}")
    return Segment([_record(line) for line in lines], head["clients"])


def fingerprint(client_id: str) -> bytes:
    """Four bytes that distinguish most client ids: Redis keeps them for an archived segment, instead of the ids."""
    return struct.pack(">I", zlib.crc32(client_id.encode()))


def fingerprints(clients: Mapping[str, int]) -> bytes:
    return b"".join(map(fingerprint, clients))


def _name(first: int, last: int, text: bytes) -> SegmentName:
    digest = hashlib.sha256(text).hexdigest()[:16]
    return SegmentName.parse(f"{first:012}-{last:012}-{digest}.jsonl.gz")


def _line(record: Record) -> bytes:
    try:
        line = {"seq": record.seq, "data": record.data.decode()}
    except UnicodeDecodeError:
        line = {"seq": record.seq, "base64": base64.b64encode(record.data).decode()}
    return orjson.dumps(line) + b"\n"


def _record(line: Mapping[str, Any]) -> Record:
    data = line["data"].encode() if "data" in line else base64.b64decode(line["base64"])
    return Record(line["seq"], data)

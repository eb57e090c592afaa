"""What a stream of the feed holds: an entry for each change, with one or more notices, decoded for the consumers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

Notice = tuple[str, Mapping[str, Any]]
"""The type, one of `store.feed.types.FEED_TYPES`, and its data without what every type has."""


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """One thing that happened. `id` is unique, and the same whenever the entry is read again.

    `at` is in ms since 1970. `data` has the keys that `store.feed.types` lists for the type.
    """

    id: str
    partition: int
    type: str
    conversation_id: str
    at: int
    data: Mapping[str, Any]

    @property
    def owner(self) -> str:
        """The principal to whom the conversation belongs."""
        return str(self.data["owner"])

    @property
    def root(self) -> str:
        """The conversation that people see: the oldest ancestor, or itself."""
        return str(self.data["root"])


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a partition's feed: the id in the stream, and the number, which counts all entries ever added."""

    id: str = "0-0"
    number: int = 0


def encode_notices(notices: Sequence[Notice]) -> bytes:
    """The notices of one change, as the scripts take them; empty if there are none."""
    return orjson.dumps(notices) if notices else b""


def decode_entry(partition: int, stream_id: bytes, fields: Mapping[bytes, bytes]) -> tuple[Position, list[FeedEntry]]:
    """What one entry of a stream says, and where it is. Raises ValueError or KeyError if no script of ours wrote it."""
    position = Position(stream_id.decode(), int(fields[b"n"]))
    conversation_id, at = fields[b"c"].decode(), int(fields[b"at"])
    always = {"owner": fields[b"o"].decode(), "root": fields[b"r"].decode()}
    name = f"{partition}:{position.id}"
    return position, [
        FeedEntry(f"{name}:{i}" if i else name, partition, kind, conversation_id, at, {**data, **always})
        for i, (kind, data) in enumerate(orjson.loads(fields[b"d"]))
    ]

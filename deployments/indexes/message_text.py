"""What was said in a conversation, as a search reads it: made of the log when it is first searched, and then kept."""

import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import orjson

from agents.codec import decode
from agents.errors import UnreadableRecord
from agents.folding import fold
from agents.turn.events import AssistantMsg, UserMsg
from store import ConversationMeta, Record, Store
from store.errors import ArchiveDamaged, ArchiveUnavailable

VERSION: Final = 1
MAX_CHARACTERS: Final = 100_000
MAX_EVENTS: Final = 2000
MAX_BYTES: Final = 16 * 1024**2
"""So much of a conversation is searched, the newest; the bytes are those of records, with what is attached."""
PAGE_EVENTS: Final = 200
PAGE_BYTES: Final = 1024**2
SNIPPET_CHARACTERS: Final = 60
"""On either side of what was found."""


@dataclass(frozen=True, slots=True)
class Said:
    """The text of one message, in one line."""

    seq: int
    text: str


@dataclass(frozen=True, slots=True)
class MessageText:
    """What was said up to seq `upto`, newest first; not `is_whole` if the archive gave less than it has."""

    upto: int
    said: Sequence[Said]
    is_whole: bool = True

    def find(self, words: Sequence[str]) -> Said | None:
        """A part of the message with the most of these words, of several the newest; None if not all are there."""
        folded = [fold(message.text) for message in self.said]
        if not all(any(word in text for text in folded) for word in words):
            return None
        best = max(range(len(folded)), key=lambda number: sum(word in folded[number] for word in words))
        word = next(word for word in words if word in folded[best])
        message = self.said[best]
        return Said(message.seq, _snippet(message.text, folded[best].index(word), len(word)))

    def pack(self) -> bytes:
        """As it is kept."""
        return zlib.compress(orjson.dumps([VERSION, self.upto, [[said.seq, said.text] for said in self.said]]), 1)


def unpack(packed: bytes | None) -> MessageText | None:
    """What was kept; None if it cannot be read."""
    if packed is None:
        return None
    with suppress(zlib.error, ValueError, TypeError):
        version, upto, said = orjson.loads(zlib.decompress(packed))
        if version == VERSION:
            return MessageText(upto, [Said(seq, text) for seq, text in said])
    return None


async def read_text(store: Store, meta: ConversationMeta, known: MessageText | None) -> tuple[MessageText, int]:
    """What was said in a conversation, and how many events were read for it beside what is known of it.

    What the archive does not give is left out. Raises StoreUnavailable.
    """
    said: list[Said] = []
    events, characters, size, before = 0, 0, 0, meta.last_seq + 1
    since = 0 if known is None else known.upto
    is_whole = True
    try:
        while before > since + 1 and events < MAX_EVENTS and characters < MAX_CHARACTERS and size < MAX_BYTES:
            limit = min(PAGE_EVENTS, before - since - 1)
            records = await store.log.page_back(meta.id, before=before, limit=limit, max_bytes=PAGE_BYTES)
            if not records:
                break
            found = [message for record in reversed(records) if (message := _said_in(record))]
            said += found
            events, before = events + len(records), records[0].seq
            characters += sum(len(message.text) for message in found)
            size += sum(len(record.data) for record in records)
    except (ArchiveUnavailable, ArchiveDamaged):
        is_whole = False
    if known is not None and before <= since + 1:
        said += known.said
    return MessageText(meta.last_seq, list(_bounded(said)), is_whole), events


def _said_in(record: Record) -> Said | None:
    try:
        event = decode(record).event
    except UnreadableRecord:
        return None
    if not isinstance(event, UserMsg | AssistantMsg):
        return None
    texts = [block.get("text") for block in event.content if block.get("type") == "text"]
    words = " ".join(" ".join(text for text in texts if isinstance(text, str)).split())  # from imports of earlier code
    return Said(record.seq, words[:MAX_CHARACTERS]) if words else None


def _bounded(said: Sequence[Said]) -> Sequence[Said]:
    left = MAX_CHARACTERS
    for number, message in enumerate(said):
        left -= len(message.text)
        if left < 0:
            return said[:number]
    return said


def _snippet(text: str, at: int, length: int) -> str:
    """The words around a place in the text, which may be shifted a little where its folded form has another length."""
    first, last = max(at - SNIPPET_CHARACTERS, 0), min(at + length + SNIPPET_CHARACTERS, len(text))
    return ("…" if first else "") + text[first:last] + ("…" if last < len(text) else "")

"""The one table of Redis keys: how each is spelled, what type it has and how long it lives."""

import re
import zlib
from dataclasses import dataclass
from functools import lru_cache

PARTITIONS = 64


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A row of the table; `lifetime` says when the key goes away, or why it never does."""

    name: str
    pattern: str
    type: str
    lifetime: str


# No key expires by time: Redis is the truth about a conversation, and only its owner may end it.
TABLE = (
    KeyRow("log", "{p}:conversation:<id>:log", "stream", "until the conversation is deleted"),
    KeyRow("meta", "{p}:conversation:<id>:meta", "hash", "until the conversation is deleted"),
    KeyRow(
        "clients",
        "{p}:conversation:<id>:clients",
        "hash",
        "until the conversation is deleted: a client may repeat a message after any time",
    ),
    KeyRow(
        "unfinished",
        "{p}:unfinished",
        "zset",
        "an entry until its turn ends or the conversation is deleted; the empty key goes by itself",
    ),
    KeyRow(
        "owner",
        "{owner:<principal>}:conversations",
        "zset",
        "an entry until the conversation is deleted; a dangling one until the next listing",
    ),
)


@dataclass(frozen=True, slots=True)
class ConversationKeys:
    """The keys of one conversation, all in one slot, and its live channel (which is no key)."""

    log: str
    meta: str
    clients: str
    unfinished: str
    live: str


class Keys:
    """Spells every key below one prefix.

    A conversation's hash tag is its partition and not its id: so the partition's index of unfinished turns
    sits in the same slot, and one script updates both.
    """

    def __init__(self, prefix: str = "raylogue") -> None:
        if not prefix or "{" in prefix or "}" in prefix:
            raise ValueError(f"a key prefix is a non-empty text without braces, not {prefix!r}")
        self.prefix = prefix
        self.conversation = lru_cache(maxsize=4096)(self._conversation)
        self._spellings = [(row, self._spelling(row)) for row in TABLE]

    def partition(self, conversation_id: str) -> int:
        """The partition of a conversation, 0 to 63."""
        return zlib.crc32(conversation_id.encode()) % PARTITIONS

    def unfinished(self, partition: int) -> str:
        """Sorted set: ids of conversations with an unfinished turn, by the time they are due (ms)."""
        return f"{self.prefix}:{{{partition}}}:unfinished"

    def owner(self, principal: str) -> str:
        """Sorted set: ids of a principal's conversations, by their last activity (ms)."""
        return f"{self.prefix}:{{owner:{principal}}}:conversations"

    def row(self, key: str) -> KeyRow | None:
        """The row a key belongs to, or None for a key that nobody declared."""
        return next((row for row, spelling in self._spellings if spelling.fullmatch(key)), None)

    def _conversation(self, conversation_id: str) -> ConversationKeys:
        partition = self.partition(conversation_id)
        stem = f"{self.prefix}:{{{partition}}}:conversation:{conversation_id}"
        return ConversationKeys(
            log=f"{stem}:log",
            meta=f"{stem}:meta",
            clients=f"{stem}:clients",
            unfinished=self.unfinished(partition),
            live=f"{stem}:live",
        )

    def _spelling(self, row: KeyRow) -> re.Pattern[str]:
        pattern = re.escape(f"{self.prefix}:{row.pattern}")
        for hole, content in ((re.escape("{p}"), r"\{\d+\}"), ("<id>", ".+"), ("<principal>", ".*")):
            pattern = pattern.replace(hole, content)
        return re.compile(pattern, re.DOTALL)

"""The one table of Redis keys: how each is spelled, what type it has and how long it lives."""

import re
import zlib
from dataclasses import dataclass
from functools import lru_cache

PARTITIONS = 64


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A row of the table; `lifetime` says when the key goes away, or why it never does, `expires` whether by time."""

    name: str
    pattern: str
    type: str
    lifetime: str
    expires: bool = False


# What records a person's work never expires by time: only its owner may delete it. `<files>` is the stem of a file
# system: `{p}:conversation:<id>` for a conversation's, `{files:<kind>:<id>}` for any other.
TABLE = (
    KeyRow(
        "log",
        "{p}:conversation:<id>:log",
        "stream",
        "until the conversation is deleted; its oldest records until they are in the archive, if there is one",
    ),
    KeyRow("meta", "{p}:conversation:<id>:meta", "hash", "until the conversation is deleted"),
    KeyRow(
        "clients",
        "{p}:conversation:<id>:clients",
        "hash",
        "until the conversation is deleted: a client may repeat a message after any time; or until the archive has it",
    ),
    KeyRow(
        "segments",
        "{p}:conversation:<id>:segments",
        "hash",
        "until the conversation is deleted: it says which files of the archive are part of the log",
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
        "an entry until the conversation is deleted; a leftover entry until the next listing",
    ),
    KeyRow("hosts", "{hosts}:loads", "hash", "an entry until its host leaves, or has not reported for ten seconds"),
    KeyRow("busy", "{hosts}:busy", "hash", "an entry until its host has less to do, or has left"),
    KeyRow("clusters", "{clusters}:seen", "zset", "an entry until its cluster has not reported for a minute"),
    KeyRow("code_version", "{releases}:current", "hash", "never: the next deployment is numbered after it"),
    KeyRow("deployments", "{releases}:deployments", "zset", "an entry until a thousand others have been deployed"),
    KeyRow(
        "prestart",
        "{hosts}:prestart:<node>",
        "string",
        "seconds, in which the processes may start that one replica of the ingress asked a node for",
        expires=True,
    ),
    KeyRow("ping", "ping", "string", "a second; it only shows that Redis takes writes", expires=True),
    KeyRow(
        "children",
        "{p}:conversation:<id>:children",
        "hash",
        "an entry until that child or the conversation is deleted",
    ),
    KeyRow(
        "usage",
        "{p}:conversation:<id>:usage",
        "hash",
        "until the conversation is deleted: its budget is for its whole life",
    ),
    KeyRow("spent", "{usage:<scope>}:usage", "hash", "as long as each record asks for", expires=True),
    KeyRow(
        "model_calls",
        "{p}:conversation:<id>:model_calls",
        "stream",
        "as long as each record asks for; at most until the conversation is deleted",
        expires=True,
    ),
    KeyRow(
        "preferences",
        "{owner:<principal>}:preferences",
        "hash",
        "an entry until its person takes it back: it is a standing choice",
    ),
    KeyRow(
        "files",
        "<files>:files",
        "hash",
        "an entry until the file is deleted; all until the scope is dropped, a conversation's with it",
    ),
    KeyRow("contents", "<files>:contents", "hash", "as files"),
    KeyRow(
        "file_totals",
        "<files>:file_totals",
        "hash",
        "until the scope is dropped, also without files: it knows which versions were used",
    ),
    KeyRow(
        "file_receipt",
        "<files>:file_receipt:<change>",
        "string",
        "a minute, in which a change whose answer was lost may be repeated; a day if its caller named the change",
        expires=True,
    ),
    KeyRow(
        "confirmed",
        "{<tag>}:confirmed",
        "string",
        "a minute: it only marks a position in the replication stream, see store/client/replication.py",
        expires=True,
    ),
)


PLACEHOLDERS = {
    "<files>": r"(?:\{\d+\}:conversation:.+|\{files:(?:user|project):.+\})",
    "{p}": r"\{\d+\}",
    "<id>": ".+",
    "<principal>": ".*",
    "<scope>": ".+",
    "<node>": "[0-9a-f]+",
    "<change>": "[0-9a-f-]+",
    "<tag>": "[^}]+",
}
"""What the placeholders of a pattern may stand for."""


@dataclass(frozen=True, slots=True)
class FileKeys:
    """The keys of one file system, all in one slot; `meta` is the key of the conversation it belongs to, if any."""

    files: str
    contents: str
    totals: str
    meta: str | None
    stem: str

    def receipt(self, change: str) -> str:
        """String: the result of a change of the files."""
        return f"{self.stem}:file_receipt:{change}"


@dataclass(frozen=True, slots=True)
class ConversationKeys:
    """The keys of one conversation, all in one slot, and its live channel (which is no key)."""

    log: str
    meta: str
    clients: str
    segments: str
    unfinished: str
    children: str
    usage: str
    model_calls: str
    files: FileKeys
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

    @property
    def hosts(self) -> str:
        """Hash: the name of a shared host -> how many conversations live in it, and when it said so (ms)."""
        return f"{self.prefix}:{{hosts}}:loads"

    @property
    def busy(self) -> str:
        """Hash: the name of a shared host that has work for a whole core -> when it said so (ms)."""
        return f"{self.prefix}:{{hosts}}:busy"

    def prestart(self, node_id: str) -> str:
        """String: set while a node has just been asked for warm workers."""
        return f"{self.prefix}:{{hosts}}:prestart:{node_id}"

    @property
    def ping(self) -> str:
        """String: written to find out whether Redis takes writes."""
        return f"{self.prefix}:ping"

    @property
    def clusters(self) -> str:
        """Sorted set: the clusters that share this store, by the time of their last report (ms)."""
        return f"{self.prefix}:{{clusters}}:seen"

    @property
    def code_version(self) -> str:
        """Hash: the number of the newest code version, and its code."""
        return f"{self.prefix}:{{releases}}:current"

    @property
    def deployments(self) -> str:
        """Sorted set: what has been deployed, by the number of its code version."""
        return f"{self.prefix}:{{releases}}:deployments"

    def owner(self, principal: str) -> str:
        """Sorted set: ids of a principal's conversations, by their last activity (ms)."""
        return f"{self.prefix}:{{owner:{principal}}}:conversations"

    def preferences(self, principal: str) -> str:
        """Hash: a principal's standing choices, by name."""
        return f"{self.prefix}:{{owner:{principal}}}:preferences"

    def spent(self, scope: str) -> str:
        """Hash: what was used in a scope that is not a conversation, such as a person's day."""
        return f"{self.prefix}:{{usage:{scope}}}:usage"

    def files(self, kind: str, scope_id: str) -> FileKeys:
        """The file system of a user, a project or a conversation."""
        if kind == "conversation":
            return self.conversation(scope_id).files
        return _file_keys(f"{self.prefix}:{{files:{kind}:{scope_id}}}", None)

    def row(self, key: str) -> KeyRow | None:
        """The row that a key belongs to, or None for a key that the table does not declare."""
        return next((row for row, spelling in self._spellings if spelling.fullmatch(key)), None)

    def _conversation(self, conversation_id: str) -> ConversationKeys:
        partition = self.partition(conversation_id)
        stem = f"{self.prefix}:{{{partition}}}:conversation:{conversation_id}"
        return ConversationKeys(
            log=f"{stem}:log",
            meta=f"{stem}:meta",
            clients=f"{stem}:clients",
            segments=f"{stem}:segments",
            unfinished=self.unfinished(partition),
            children=f"{stem}:children",
            usage=f"{stem}:usage",
            model_calls=f"{stem}:model_calls",
            files=_file_keys(stem, f"{stem}:meta"),
            live=f"{stem}:live",
        )

    def _spelling(self, row: KeyRow) -> re.Pattern[str]:
        pattern = re.escape(f"{self.prefix}:{row.pattern}")
        for placeholder, content in PLACEHOLDERS.items():
            pattern = pattern.replace(re.escape(placeholder), content)
        return re.compile(pattern, re.DOTALL)


def marker_beside(key: str) -> str:
    """The marker in the slot of `key`, one of ours: below the same prefix, with the same hash tag."""
    return f"{key[: key.index('}')]}}}:confirmed"


def _file_keys(stem: str, meta: str | None) -> FileKeys:
    return FileKeys(
        files=f"{stem}:files", contents=f"{stem}:contents", totals=f"{stem}:file_totals", meta=meta, stem=stem
    )

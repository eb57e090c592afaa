"""The keys that belong together, such as those of a conversation: all of a group are in one slot."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FileKeys:
    """The keys of one file system, all in one slot; `meta` is the key of the conversation it belongs to, if any."""

    files: str
    contents: str
    totals: str
    receipts: str
    meta: str | None
    stem: str

    def receipt(self, change: str) -> str:
        """String: the result of a change of the files."""
        return f"{self.stem}:file_receipt:{change}"


@dataclass(frozen=True, slots=True)
class AuditKeys:
    """The keys of one tenant's audit, all in one slot."""

    lines: str
    head: str
    known: str


@dataclass(frozen=True, slots=True)
class ListKeys:
    """The three orders of one list of conversations, in one slot."""

    updated: str
    created: str
    titles: str


@dataclass(frozen=True, slots=True)
class FeedKeys:
    """The keys of a partition's feed: its entries, how far each group has read them, and what was put aside."""

    stream: str
    groups: str
    aside: str


@dataclass(frozen=True, slots=True)
class ConversationKeys:
    """The keys of one conversation, all in one slot, and its live channel (which is no key)."""

    log: str
    meta: str
    clients: str
    segments: str
    unfinished: str
    feed: FeedKeys
    children: str
    usage: str
    model_calls: str
    client_tools: str
    text: str
    files: FileKeys
    live: str


@dataclass(frozen=True, slots=True)
class CopyKeys:
    """The keys of a copy that is not complete yet, in the slot of the conversation that it will be."""

    head: str
    log: str
    clients: str
    files: FileKeys


@dataclass(frozen=True, slots=True)
class BatchKeys:
    """The keys of one batch, all in one slot, and the channel (which is no key) that says that it has changed."""

    record: str
    finished: str
    failed: str
    waiting: str
    rounds: str
    again: str
    provider: str
    channel: str

    def all(self) -> tuple[str, ...]:
        """Every key."""
        return (self.record, self.finished, self.failed, self.waiting, self.rounds, self.again, self.provider)


@dataclass(frozen=True, slots=True)
class SendKeys:
    """The places in time of what a channel sends: in all, to a chat, and to it in the last minute; one slot."""

    channel: str
    chat: str
    recent: str


@dataclass(frozen=True, slots=True)
class ScheduleKeys:
    """The keys of one schedule, all in the slot of its partition."""

    record: str
    due: str
    runs: str
    ended: str
    feed: FeedKeys

    @property
    def all(self) -> list[str]:
        """In the order in which the scripts take them."""
        return [self.record, self.due, self.runs, self.ended, self.feed.stream, self.feed.groups]


def file_keys(stem: str, meta: str | None) -> FileKeys:
    """The keys of the file system whose keys begin with `stem`."""
    return FileKeys(
        files=f"{stem}:files",
        contents=f"{stem}:contents",
        totals=f"{stem}:file_totals",
        receipts=f"{stem}:file_receipts",
        meta=meta,
        stem=stem,
    )


@dataclass(frozen=True, slots=True)
class ChatKeys:
    """The record of a chat of a channel, and the updates that it knows; in one slot."""

    record: str
    seen: str

    @property
    def all(self) -> list[str]:
        """As the script that commits takes them."""
        return [self.record, self.seen]

"""Durable facts in Redis: each conversation a fenced, append-only log, with its live channel and files beside it."""

from store.client.replication import Replication
from store.errors import (
    ArchiveDamaged,
    ArchiveUnavailable,
    BadPath,
    Conflict,
    ConversationExists,
    ConversationNotFound,
    DuplicateMessage,
    Fenced,
    FileConflict,
    FileExists,
    FileMissing,
    FileTooLarge,
    MissedEvents,
    NewerFormat,
    Overflow,
    Reconnected,
    ScopeFull,
    StoreError,
    StoreUnavailable,
)
from store.files.files import File, FileInfo, FileLimits, Scope
from store.keys import Keys
from store.live.subscription import Subscription
from store.log.archive import Archive
from store.records import Claim, ConversationMeta, Parent, Placement, Record
from store.registries.usage import Usage
from store.store import Store, connect

__all__ = [
    "Archive",
    "ArchiveDamaged",
    "ArchiveUnavailable",
    "BadPath",
    "Claim",
    "Conflict",
    "ConversationExists",
    "ConversationMeta",
    "ConversationNotFound",
    "DuplicateMessage",
    "Fenced",
    "File",
    "FileConflict",
    "FileExists",
    "FileInfo",
    "FileLimits",
    "FileMissing",
    "FileTooLarge",
    "Keys",
    "MissedEvents",
    "NewerFormat",
    "Overflow",
    "Parent",
    "Placement",
    "Reconnected",
    "Record",
    "Replication",
    "Scope",
    "ScopeFull",
    "Store",
    "StoreError",
    "StoreUnavailable",
    "Subscription",
    "Usage",
    "connect",
]

"""Durable facts in Redis: each conversation a fenced, append-only log, with its live channel and files beside it."""

from store.errors import ConversationExists, ConversationNotFound, Fenced, StoreError, StoreUnavailable
from store.files.files import Scope
from store.log.archive import Archive
from store.records import ConversationMeta, Placement, Record
from store.store import Store, connect

__all__ = [
    "Archive",
    "ConversationExists",
    "ConversationMeta",
    "ConversationNotFound",
    "Fenced",
    "Placement",
    "Record",
    "Scope",
    "Store",
    "StoreError",
    "StoreUnavailable",
    "connect",
]

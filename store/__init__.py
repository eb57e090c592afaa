"""Durable facts in Redis: each conversation a fenced, append-only log with a lossy live channel beside it."""

from store.connection import Store, connect
from store.errors import (
    Conflict,
    ConversationExists,
    ConversationNotFound,
    DuplicateMessage,
    Fenced,
    MissedEvents,
    Overflow,
    Reconnected,
    StoreError,
    StoreUnavailable,
)
from store.keys import Keys
from store.records import Claim, ConversationMeta, Record
from store.subscription import Subscription

__all__ = [
    "Claim",
    "Conflict",
    "ConversationExists",
    "ConversationMeta",
    "ConversationNotFound",
    "DuplicateMessage",
    "Fenced",
    "Keys",
    "MissedEvents",
    "Overflow",
    "Reconnected",
    "Record",
    "Store",
    "StoreError",
    "StoreUnavailable",
    "Subscription",
    "connect",
]

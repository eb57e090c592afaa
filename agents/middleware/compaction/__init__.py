"""Compaction: a conversation of any length in a context of limited size; only what is shown shrinks, never the log."""

from agents.middleware.compaction.compaction import Compaction
from agents.middleware.compaction.thresholds import Thresholds

__all__ = ["Compaction", "Thresholds"]

"""Compaction: a conversation of any length in a context of limited size; only what is shown shrinks, never the log."""

from agents.middleware.compaction.compaction import Compaction, Thresholds

__all__ = ["Compaction", "Thresholds"]

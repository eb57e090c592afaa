"""The actors in which conversations live: one that a conversation has for itself, or one that many share."""

"""Batches: many rows, each put to an agent in a conversation of its own, with results in the order of the rows."""

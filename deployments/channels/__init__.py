"""Channels: where people text. A file for each translates; sessions, pipeline and approvals are the same for all."""

"""Middleware for agents, one feature a file: plans, files, approvals, sub-agents, compaction and more."""

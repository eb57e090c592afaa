"""Behaviours of an agent, one file each: plans, files, approvals, sub-agents, compaction and their kin."""

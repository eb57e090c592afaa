"""Conversations as they are copied: into another conversation, into a file, and out of one."""

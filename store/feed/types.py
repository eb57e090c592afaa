"""The closed list of what the feed tells: each type in the past tense, with the keys of its data."""

from collections.abc import Mapping
from typing import Final

ALWAYS: Final = ("owner", "root")
"""In the data of every type: whose conversation it is, and the one that people see (itself, unless it has a parent)."""

FEED_TYPES: Final[Mapping[str, tuple[str, ...]]] = {
    "conversation_created": ("agent", "channel", "parent", "title", "project"),
    "conversation_renamed": ("title",),
    "conversation_moved": ("place",),
    "conversation_archived": ("by",),
    "conversation_restored": ("by",),
    "conversation_deleted": ("members", "by"),
    "members_changed": ("principal", "role", "by"),
    "turn_started": ("turn", "principal", "agent"),
    "turn_ended": ("turn", "outcome", "reason", "usage", "cost"),
    "question_asked": ("turn", "tool_call_id", "kind", "name", "prompt", "approvers", "expires_at"),
    "question_answered": ("tool_call_id", "decision", "principal", "arguments_hash"),
    "question_expired": ("tool_call_id",),
    "tool_called": ("turn", "tool_call_id", "name", "arguments_hash", "executor", "approval", "trust", "principal"),
    "tool_finished": ("turn", "tool_call_id", "name", "status", "principal"),
    "schedule_changed": ("name", "change", "by"),
    "schedule_paused": ("name", "failures"),
    "schedule_run_started": ("name", "run", "due_at", "conversation", "job"),
    "schedule_run_ended": (
        "name",
        "run",
        "due_at",
        "outcome",
        "error",
        "quiet",
        "usage",
        "cost",
        "conversation",
        "job",
    ),
}
"""Every type, with the keys that its data has beside `ALWAYS`; a key that has nothing to say is there as None.

A question that is withdrawn, because its turn is cancelled, is neither answered nor expired: its call is finished.
`arguments_hash` of an answer is None unless the arguments were edited. `cost` is in millionths of a US dollar.

The conversation id of a `schedule_` entry is the schedule's own id. `schedule_paused` says that it has paused itself.
A run that is `quiet` has nothing to say to people.
"""

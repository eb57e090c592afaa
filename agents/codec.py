"""Joins meaning and storage: canonical events to versioned JSON records and back, live events to wire objects.

A record is one JSON object: `type`, `v`, `at` (ms since the epoch), then the event's own fields. The wire shows the
same object with `seq` and `conversation_id` added, so a watcher and the log can be compared field by field.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

import orjson

from agents.errors import UnreadableRecord
from agents.turn.events import (
    AssistantMsg,
    Event,
    Logged,
    Resolution,
    StatePatch,
    Summary,
    Suspension,
    ToolCall,
    ToolResult,
    TurnEnded,
    UserMsg,
)
from agents.turn.live import (
    FileChanged,
    LiveEvent,
    MessageCompleted,
    StateChanged,
    Suspended,
    TextDelta,
    ThinkingDelta,
    TitleChanged,
    TodosUpdated,
    ToolCallErrored,
    ToolCallResolved,
    ToolCallStarted,
    ToolProgress,
    TurnCancelled,
    TurnCompleted,
    TurnFailed,
    TurnStarted,
)
from store import Record

VERSION = 1

EVENT_TYPES: Mapping[str, type[Event]] = {
    "user_msg": UserMsg,
    "assistant_msg": AssistantMsg,
    "tool_call": ToolCall,
    "tool_result": ToolResult,
    "suspension": Suspension,
    "resolution": Resolution,
    "turn_ended": TurnEnded,
    "state_patch": StatePatch,
    "summary": Summary,
}

LIVE_TYPES: Mapping[str, type[LiveEvent]] = {
    "state_changed": StateChanged,
    "turn_started": TurnStarted,
    "text_delta": TextDelta,
    "thinking_delta": ThinkingDelta,
    "message_completed": MessageCompleted,
    "tool_call_started": ToolCallStarted,
    "tool_progress": ToolProgress,
    "tool_call_resolved": ToolCallResolved,
    "tool_call_errored": ToolCallErrored,
    "suspended": Suspended,
    "todos_updated": TodosUpdated,
    "file_changed": FileChanged,
    "title_changed": TitleChanged,
    "turn_completed": TurnCompleted,
    "turn_cancelled": TurnCancelled,
    "turn_failed": TurnFailed,
}

# What turns a record of version n into one of version n + 1; new code reads every log ever written.
UPCASTS: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}

_NAMES = {cls: name for name, cls in (*EVENT_TYPES.items(), *LIVE_TYPES.items())}
_FIELDS = {cls: tuple(field.name for field in fields(cls)) for cls in _NAMES}


def encode(event: Event, at: int) -> dict[str, Any]:
    """The record of `event`, as an object still to be serialised."""
    return {"type": _NAMES[type(event)], "v": VERSION, "at": at, **_values(event)}


def decode(record: Record) -> Logged:
    """Read one record of any version; raises `UnreadableRecord` rather than guess."""
    found = _current(record)
    cls = EVENT_TYPES.get(str(found.get("type")))
    if cls is None:
        raise UnreadableRecord(record.seq, f"unknown type {found.get('type')!r}")
    try:
        event = cls(**{name: found[name] for name in _FIELDS[cls] if name in found})
        return Logged(record.seq, found["at"], event)
    except (TypeError, KeyError) as error:
        raise UnreadableRecord(record.seq, str(error)) from error


def upcast(found: dict[str, Any], seq: int) -> dict[str, Any]:
    """Bring a stored object to the current version, step by step."""
    while found.get("v") != VERSION:
        step = UPCASTS.get(found.get("v", 0))
        if step is None:
            raise UnreadableRecord(seq, f"unknown version {found.get('v')!r}")
        found = step(found)
    return found


def wire(stored: Mapping[str, Any], seq: int, conversation_id: str) -> dict[str, Any]:
    """A canonical event as watchers see it."""
    return {**stored, "seq": seq, "conversation_id": conversation_id}


def wire_record(record: Record, conversation_id: str) -> dict[str, Any]:
    """`wire` straight from storage, for readers that have no use for the event itself."""
    return wire(_current(record), record.seq, conversation_id)


def wire_live(event: LiveEvent, conversation_id: str) -> dict[str, Any]:
    """A live event as watchers see it."""
    return {"type": _NAMES[type(event)], "conversation_id": conversation_id, **_values(event)}


def _current(record: Record) -> dict[str, Any]:
    """The stored object, in today's version."""
    try:
        found = orjson.loads(record.data)
    except orjson.JSONDecodeError as error:
        raise UnreadableRecord(record.seq, "it is not JSON") from error
    if not isinstance(found, dict):
        raise UnreadableRecord(record.seq, "it is not an object")
    return upcast(found, record.seq)


def _values(event: Event | LiveEvent) -> dict[str, Any]:
    return {name: getattr(event, name) for name in _FIELDS[type(event)]}

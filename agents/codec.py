"""Joins the two layers: canonical events to versioned JSON records of the store and back, live events to wire objects.

A record is one JSON object: `type`, `v`, `at` (ms since the epoch), then the fields of the event that differ from
their defaults. Watchers see all fields, with `seq` and `conversation_id` added.

The defaults of the events belong to the version: a record without a field means the default of its time. So a new
field needs no new version, but a default that changes needs one, and so does a field that changes its meaning.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields
from typing import Any, get_args

import orjson

from agents.errors import NewerRecord, UnreadableRecord
from agents.turn.events import Event, Logged
from agents.turn.live import LiveEvent
from store import Record

VERSION = 2


def _by_name(union: Any) -> dict[str, type[Any]]:  # noqa: ANN401 - a union of classes is no type to the checker
    """The classes of a union by the names of their records: `UserMsg` is `user_msg`."""
    return {re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower(): cls for cls in get_args(union)}


EVENT_TYPES: Mapping[str, type[Event]] = _by_name(Event)
LIVE_TYPES: Mapping[str, type[LiveEvent]] = _by_name(LiveEvent)


def _from_1(stored: dict[str, Any]) -> dict[str, Any]:
    """Version 1 wrote every field, so nothing is missing: only the number changes."""
    return {**stored, "v": 2}


# Turns a record of version n into one of version n + 1; new code reads every log ever written.
UPCASTS: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _from_1}


def _default(field: "Field[Any]") -> Any:  # noqa: ANN401 - whatever the field holds
    return field.default if field.default_factory is MISSING else field.default_factory()


EVENT_NAMES = {cls: name for name, cls in (*EVENT_TYPES.items(), *LIVE_TYPES.items())}
_FIELDS = {cls: tuple((field.name, _default(field)) for field in fields(cls)) for cls in EVENT_NAMES}
_DEFAULTS = {
    name: {field: default for field, default in _FIELDS[cls] if default is not MISSING}
    for name, cls in EVENT_TYPES.items()
}
_NOTHING: Mapping[str, Any] = {}


def encode(event: Event, at: int) -> dict[str, Any]:
    """The record of `event`, as an object still to be serialised."""
    stored = {"type": EVENT_NAMES[type(event)], "v": VERSION, "at": at}
    for name, default in _FIELDS[type(event)]:
        value = getattr(event, name)
        if value is not default and value != default:
            stored[name] = value
    return stored


def decode(record: Record) -> Logged:
    """The event of a record of any version; raises `UnreadableRecord` rather than guess."""
    found = _current(record)
    cls = EVENT_TYPES.get(str(found.get("type")))
    if cls is None:
        raise UnreadableRecord(record.seq, f"unknown type {found.get('type')!r}")
    try:
        event = cls(**{name: found[name] for name, _ in _FIELDS[cls] if name in found})
        return Logged(record.seq, found["at"], event)
    except (TypeError, KeyError) as error:
        raise UnreadableRecord(record.seq, str(error)) from error


def upcast(found: dict[str, Any], seq: int) -> dict[str, Any]:
    """The stored object in the current version, brought there step by step; raises `NewerRecord` if it is newer."""
    while (version := found.get("v")) != VERSION:
        if isinstance(version, int) and version > VERSION:
            raise NewerRecord(seq, f"version {version} is newer than {VERSION}")
        step = UPCASTS.get(version or 0)
        if step is None:
            raise UnreadableRecord(seq, f"unknown version {version!r}")
        found = step(found)
    return found


def wire(stored: Mapping[str, Any], seq: int, conversation_id: str) -> dict[str, Any]:
    """A canonical event as watchers see it."""
    defaults = _DEFAULTS.get(stored["type"], _NOTHING)
    return {**defaults, **stored, "seq": seq, "conversation_id": conversation_id}


def wire_record(record: Record, conversation_id: str) -> dict[str, Any]:
    """`wire` of a stored record, for readers that do not need the event itself."""
    return wire(_current(record), record.seq, conversation_id)


def wire_live(event: LiveEvent, conversation_id: str) -> dict[str, Any]:
    """A live event as watchers see it."""
    shown = {name: getattr(event, name) for name, _ in _FIELDS[type(event)]}
    return {"type": EVENT_NAMES[type(event)], "conversation_id": conversation_id, **shown}


def _current(record: Record) -> dict[str, Any]:
    """The stored object in the current version."""
    try:
        found = orjson.loads(record.data)
    except orjson.JSONDecodeError as error:
        raise UnreadableRecord(record.seq, "it is not JSON") from error
    if not isinstance(found, dict):
        raise UnreadableRecord(record.seq, "it is not an object")
    return upcast(found, record.seq)

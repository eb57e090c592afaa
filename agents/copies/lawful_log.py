"""Checks the log in a file that comes from outside: each record must be one of ours, and follow from those before."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from pydantic import TypeAdapter, ValidationError

from agents.codec import EVENT_TYPES, decode, upcast
from agents.conversation.journal import RESERVED
from agents.copies.file_format import MAX_TIME
from agents.copies.lawful_shapes import BLOCKS, Snapshot
from agents.copies.whole_turns import TurnReader
from agents.errors import UnreadableRecord
from agents.storable import record_problem
from agents.turn import Event, Facts
from agents.turn.events import (
    AssistantMsg,
    Delivered,
    Resolution,
    StatePatch,
    Summary,
    Suspension,
    ToolCall,
    ToolResult,
    TurnEnded,
    UserMsg,
)
from store import Record

SHAPES: Mapping[str, TypeAdapter[Any]] = {name: TypeAdapter(cls) for name, cls in EVENT_TYPES.items()}
MAX_COUNTED = 10**12
"""More tokens, or millionths of a dollar, than one answer takes; their sums stay numbers that a log can hold."""
ENVELOPE = {"type", "v", "at"}
SNAPSHOT = TypeAdapter(Snapshot)
KNOWN = {name: {*ENVELOPE, *(field.name for field in fields(cls))} for name, cls in EVENT_TYPES.items()}


class LawfulReader(TurnReader):
    """A reader that refuses what no conversation of ours would have logged, as a `ValueError` with a sentence."""

    def __init__(self) -> None:
        super().__init__()
        self._turns = {0: 0}
        """The newest turn at each point of rest, by its seq."""

    def check(self, stored: Mapping[str, Any], record: Record) -> None:
        """Add a record; `stored` is the object in it."""
        try:
            self._check_shape(stored, record.seq)
            logged = decode(record)
            problem = _problem(self.facts, logged.event)
            if problem is None and isinstance(logged.event, Summary):
                problem = self._problem_of_summary(logged.event)
            if problem is not None:
                raise ValueError(f"the record does not follow from those before: {problem}")
            self.add(record, logged)
        except UnreadableRecord as error:
            raise ValueError(str(error)) from error
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"the record is not understood ({type(error).__name__}: {error})") from error
        if self.is_at_rest:
            self._turns[record.seq] = self.facts.turn

    def _check_shape(self, stored: Mapping[str, Any], seq: int) -> None:
        current = upcast(dict(stored), seq)
        kind = str(current.get("type"))
        if kind not in SHAPES:
            raise ValueError(f"there are no records of the type {kind!r}")
        if unknown := current.keys() - KNOWN[kind]:  # watchers see all fields of a record
            raise ValueError(f"a record {kind} has no field {min(unknown)!r} in this version")
        at = current.get("at")
        if type(at) is not int or not 0 <= at <= MAX_TIME:
            raise ValueError(f"{at!r} is no time")
        if (problem := record_problem(stored)) is not None:
            raise ValueError(f"the log cannot hold it: {problem}")
        _require(f"{kind}.", SHAPES[kind], {name: current[name] for name in KNOWN[kind] - ENVELOPE & current.keys()})
        content = current.get("content")
        for block in content if isinstance(content, list) else ():
            _require(f"{kind}.content.", BLOCKS.get(str(block.get("type")), BLOCKS[None]), block)

    def _problem_of_summary(self, summary: Summary) -> str | None:
        """What the base says is where reading begins: it is at rest, as the log is there."""
        turn = self._turns.get(summary.after)
        if turn is None:
            return f"nothing rested after seq {summary.after}"
        _require("summary.base.", SNAPSHOT, summary.base)
        if (said := summary.base.get("turn")) != turn:
            return f"its base is of turn {said}, and turn {turn} was the newest there"
        return None if 0 < summary.through_turn <= turn else f"it is of turn {summary.through_turn}"


def _require(place: str, shape: TypeAdapter[Any], value: object) -> None:
    """Raises ValueError with what is wrong below that place."""
    try:
        shape.validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{place}{'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def _problem(facts: Facts, event: Event) -> str | None:
    """Why the event cannot come after these facts; None if it can."""
    match event:
        case UserMsg(client_id=str(client_id)) if client_id.startswith(RESERVED):
            return "a client id does not begin with a NUL character"
        case UserMsg():
            newest = facts.waiting[-1].turn if facts.waiting else facts.turn
            fitting = (facts.turn, newest, newest + 1) if facts.running else (newest + 1,)
            return None if event.turn in fitting else f"a message of turn {event.turn} in turn {facts.turn}"
        case AssistantMsg() if not all(0 <= count <= MAX_COUNTED for count in (*event.usage.values(), event.cost or 0)):
            return "it counts less than nothing, or more than there is"
        case Delivered() if not 1 <= event.answered <= facts.turn:
            return f"there was no turn {event.answered}"
        case StatePatch() | Summary() | Delivered():
            return None if event.turn == facts.turn else f"it is of turn {event.turn}, in turn {facts.turn}"
    if not facts.running or event.turn != facts.turn:
        return f"turn {event.turn} does not run"
    return _problem_in_turn(facts, event)


def _problem_in_turn(facts: Facts, event: Event) -> str | None:
    match event:
        case ToolCall(tool_call_id=key):
            return f"the call {key} is open" if key in facts.calls else None
        case Suspension(tool_call_id=key):
            return None if key in facts.calls and key not in facts.suspended else f"the call {key} cannot wait"
        case Resolution(tool_call_id=key):
            return None if key in facts.suspended else f"the call {key} does not wait"
        case ToolResult(tool_call_id=key):
            return None if key in facts.calls else f"there is no open call {key}"
        case TurnEnded():
            return f"turn {event.turn} has open calls" if facts.calls else None
    return None

"""The live events: a lossy broadcast for watchers; everything that matters is in the log as well.

The name of a class in snake case is its `type` on the wire (`TextDelta` is `text_delta`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agents.turn.events import ResultStatus
from agents.turn.states import State


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChanged:
    turn: int
    state: State
    last_seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnStarted:
    turn: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Starting:
    """The turn waits for its conversation's own process; `place` is its number in the line, 0 once that is made."""

    turn: int
    place: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDelta:
    """A piece of the answer: the characters from `index` up to, not including, `next` of message `message_id`."""

    turn: int
    message_id: str
    index: int
    next: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ThinkingDelta:
    """A piece of the model's thinking, with a count of its own like that of `TextDelta`."""

    turn: int
    message_id: str
    index: int
    next: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageCompleted:
    turn: int
    message_id: str
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallStarted:
    turn: int
    tool_call_id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolProgress:
    turn: int
    tool_call_id: str
    progress: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallResolved:
    turn: int
    tool_call_id: str
    status: ResultStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallErrored:
    turn: int
    tool_call_id: str
    status: ResultStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspended:
    """The turn waits for the outside; `pending` is that part of fsm_state."""

    turn: int
    pending: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class TodosUpdated:
    """The agent's whole plan: `{"text", "status": "pending" | "in_progress" | "completed"}` in order."""

    turn: int
    todos: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChanged:
    """A file of the conversation has a new `version`, or was deleted (None)."""

    turn: int
    path: str
    version: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TitleChanged:
    """Turn 0: by a person, beside any turn."""

    turn: int
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnCompleted:
    turn: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnCancelled:
    turn: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnFailed:
    turn: int
    reason: str
    detail: str


LiveEvent = (
    StateChanged
    | TurnStarted
    | Starting
    | TextDelta
    | ThinkingDelta
    | MessageCompleted
    | ToolCallStarted
    | ToolProgress
    | ToolCallResolved
    | ToolCallErrored
    | Suspended
    | TodosUpdated
    | FileChanged
    | TitleChanged
    | TurnCompleted
    | TurnCancelled
    | TurnFailed
)

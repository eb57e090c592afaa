"""The canonical events: the facts of a conversation, in the past tense, as they stand in its log."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Block = Mapping[str, Any]
"""One content block in the shape of the Messages API: `{"type": "text", "text": ...}` and its kin."""

Executor = Literal["server", "human", "client", "provider"]
Approval = Literal["auto", "required"]
UnknownOutcome = Literal["repeat", "report"]
SuspensionKind = Literal["approval", "elicitation", "client_exec"]
Decision = Literal["approve", "edit", "reject", "respond"]
ResultStatus = Literal["ok", "error", "denied", "timeout", "cancelled", "unknown"]
MessageStatus = Literal["completed", "cancelled", "interrupted"]
Outcome = Literal["completed", "cancelled", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnEvent:
    """What every event carries: the turn it belongs to and who was acting (a principal id)."""

    turn: int
    principal: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UserMsg(TurnEvent):
    """A message was accepted; `turn` and `step` say which model call will be the first to read it.

    A message queued behind a running turn carries the number of the next turn.
    """

    content: Sequence[Block]
    step: int = 1
    client_id: str | None = None
    origin: Literal["user", "agent"] = "user"


@dataclass(frozen=True, slots=True, kw_only=True)
class AssistantMsg(TurnEvent):
    """The model answered, or was cut off (`status`); a tool call stands in `content` as a reference by id."""

    message_id: str
    step: int
    content: Sequence[Block]
    status: MessageStatus = "completed"
    stop_reason: str | None = None
    usage: Mapping[str, int] = field(default_factory=dict)
    model: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall(TurnEvent):
    """The model asked for a tool; exactly one `ToolResult` with this id will follow."""

    tool_call_id: str
    step: int
    name: str
    arguments: Mapping[str, Any]
    executor: Executor = "server"
    approval: Approval = "auto"
    on_unknown_outcome: UnknownOutcome = "repeat"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult(TurnEvent):
    """The call ended, on whichever path; `content` is what the model reads."""

    tool_call_id: str
    content: str | Sequence[Block]
    status: ResultStatus = "ok"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspension(TurnEvent):
    """The call waits for the outside until `expires_at` (ms since the epoch; None: for ever)."""

    tool_call_id: str
    kind: SuspensionKind
    executor: Executor
    prompt: str
    expires_at: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution(TurnEvent):
    """The outside answered a suspension; `principal` is the one who decided."""

    tool_call_id: str
    decision: Decision
    arguments: Mapping[str, Any] | None = None
    reason: str | None = None
    answer: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnEnded(TurnEvent):
    """The one terminal event of a turn; `reason` is a stable code, `detail` a short sentence for people."""

    outcome: Outcome
    reason: str | None = None
    detail: str | None = None


Event = UserMsg | AssistantMsg | ToolCall | ToolResult | Suspension | Resolution | TurnEnded


@dataclass(frozen=True, slots=True)
class Logged:
    """An event at its place in the log: `seq` counts from 1 without gaps, `at` is ms since the epoch."""

    seq: int
    at: int
    event: Event

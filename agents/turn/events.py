"""The canonical events: the facts of a conversation, in the past tense, as they stand in its log.

The name of a class in snake case is the `type` of its records (`UserMsg` is `user_msg`): renaming one breaks every log.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from agents.turn.approvers import Approver, Standing

Block = Mapping[str, Any]
"""One content block in the shape of the Messages API: `{"type": "text", "text": ...}` for example."""

Executor = Literal["server", "human", "client", "provider"]
Approval = Literal["auto", "required"]
UnknownOutcome = Literal["repeat", "report"]
Trust = Literal["auto", "user_configurable", "requires_approval"]
"""The tier of a tool: whether its calls may run unasked, by each person's choice, or never."""
SuspensionKind = Literal["approval", "elicitation", "client_exec"]
Decision = Literal["approve", "edit", "reject", "respond"]
Verdict = Decision | Literal["expire"]
"""How a question ended: with a decision, or because its time ran out while a tool waited for the answer."""
ResultStatus = Literal["ok", "error", "denied", "timeout", "cancelled", "unknown"]
MessageStatus = Literal["completed", "cancelled", "interrupted"]
Outcome = Literal["completed", "cancelled", "failed"]
Origin = Literal["agent", "batch", "schedule", "user"]
"""Who has a message sent: the agent itself or one that delegates to it, a batch, a schedule, or a person."""

WINDOW_EXCEEDED = "model_context_window_exceeded"
UNFINISHED = ("max_tokens", "refusal", WINDOW_EXCEEDED)
"""The stop reasons of an answer that the model did not finish: what it calls may lack a part, so none of it runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnEvent:
    """What every event carries: the turn that it belongs to, and the id of the principal who was acting."""

    turn: int
    principal: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UserMsg(TurnEvent):
    """A message was accepted; `turn` and `step` say which model call is the first to read it.

    A message queued behind a running turn carries the number of the turn to come that it begins, or joins. `model` is
    the sender's choice among the agent's models, for that turn. `channel` names the one that has to deliver what the
    turn says: of that, people have seen what a `Delivered` tells of, and no more.
    """

    content: Sequence[Block]
    step: int = 1
    client_id: str | None = None
    origin: Origin = "user"
    model: str | None = None
    channel: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AssistantMsg(TurnEvent):
    """The model answered, or was cut off (`status`); a tool call stands in `content` as a reference by id.

    `cost` is in millionths of a US dollar, None when the model has no price. `output` is the validated object
    of an agent with structured output. `provider` says whose server wrote it, if that is known.
    """

    message_id: str
    step: int
    content: Sequence[Block]
    status: MessageStatus = "completed"
    stop_reason: str | None = None
    usage: Mapping[str, int] = field(default_factory=dict)
    model: str | None = None
    cost: int | None = None
    output: Any = None
    provider: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall(TurnEvent):
    """A tool was called; exactly one `ToolResult` with this id follows.

    `source` is None for a call of the model. Otherwise it is the middleware that interrupts the turn to ask people
    something: the model is not shown that call. `ends_turn`: when the call succeeds, the model is not asked again in
    this turn. `trust` is the tier that the tool had.
    """

    tool_call_id: str
    step: int
    name: str
    arguments: Mapping[str, Any]
    executor: Executor = "server"
    approval: Approval = "auto"
    on_unknown_outcome: UnknownOutcome = "repeat"
    ends_turn: bool = False
    source: str | None = None
    trust: Trust = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult(TurnEvent):
    """The call ended, in success or not; `content` is what the model reads."""

    tool_call_id: str
    content: str | Sequence[Block]
    status: ResultStatus = "ok"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspension(TurnEvent):
    """The call waits for the outside until `expires_at` (ms since the epoch; None: for ever).

    `decisions` are the allowed ones, empty for all of the kind. `arguments_hash` binds an approval to the arguments
    that were shown. `form` describes the questions, if there are any (see `agents/tools/forms.py`). `resumes`: a
    running tool asked; the answer, or the expiry, runs it again instead of closing the call. `approvers` is what a
    person must be to decide, empty: one who may decide in this conversation. `asked_by` are the principals who have
    asked for the call, where another one has to decide.
    """

    tool_call_id: str
    kind: SuspensionKind
    executor: Executor
    prompt: str
    expires_at: int | None = None
    decisions: Sequence[Decision] = field(default_factory=list)
    arguments_hash: str | None = None
    form: Mapping[str, Any] | None = None
    resumes: bool = False
    approvers: Sequence[Approver] = field(default_factory=list)
    asked_by: Sequence[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution(TurnEvent):
    """A suspension was answered from outside; `principal` is the person who decided.

    `standing` is what the person was to the conversation, where the suspension asks for that.
    """

    tool_call_id: str
    decision: Verdict
    arguments: Mapping[str, Any] | None = None
    reason: str | None = None
    answer: Any = None
    standing: Sequence[Standing] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnEnded(TurnEvent):
    """The one terminal event of a turn; `reason` is a stable code, `detail` a short sentence for people."""

    outcome: Outcome
    reason: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatePatch(TurnEvent):
    """The durable state of middleware `source` changed: a key takes its new value, or goes when that is None."""

    source: str
    patch: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary(TurnEvent):
    """All turns up to `through_turn` in a few words: a new incarnation starts reading the log here.

    The conversation was at rest after seq `after`; `base` is the fold of the log up to there (see
    `agents/turn/snapshot.py`). Reading goes on behind `after`.
    """

    text: str
    through_turn: int
    after: int
    base: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered(TurnEvent):
    """A channel has sent people what it could of what the turn `answered` says; there is one for each `chain`.

    `turn` is the newest one by then, as of a `StatePatch`. `bubbles` were sent, in their order: `{"guid", "message_id",
    "at"}`, with the `message_id` of the answer whose words they are (None: they are of no answer) and `at` in ms; and
    with their `text` unless all bubbles of that answer were sent. `unsent` were not: `{"guid", "message_id",
    "reason"}`.
    """

    chain: str
    channel: str
    answered: int
    bubbles: Sequence[Mapping[str, Any]] = field(default_factory=list)
    unsent: Sequence[Mapping[str, Any]] = field(default_factory=list)


Event = (
    UserMsg
    | AssistantMsg
    | ToolCall
    | ToolResult
    | Suspension
    | Resolution
    | TurnEnded
    | StatePatch
    | Summary
    | Delivered
)


@dataclass(frozen=True, slots=True)
class Logged:
    """An event at its place in the log: `seq` counts from 1 without gaps, `at` is ms since the epoch."""

    seq: int
    at: int
    event: Event


def blocks_of(answer: object) -> Sequence[Block] | None:
    """The content blocks that a client answers a call with; None if the answer is another value."""
    if not isinstance(answer, list) or not answer:
        return None
    is_content = all(isinstance(part, dict) and part.get("type") in ("text", "image", "document") for part in answer)
    return answer if is_content else None


def arguments_hash(arguments: Mapping[str, Any]) -> str:
    """The SHA-256, in hexadecimal, of the arguments as JSON with sorted keys and no white space.

    It binds a decision to the arguments that were shown.
    """
    canonical = json.dumps(arguments, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode(errors="surrogatepass")).hexdigest()

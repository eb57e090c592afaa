"""What may happen to a conversation: everything the machine reacts to, as values; time and ids arrive with them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from agents.turn.approvers import Approver, Standing
from agents.turn.events import (
    Approval,
    Block,
    Decision,
    Executor,
    Origin,
    ResultStatus,
    SuspensionKind,
    Trust,
    UnknownOutcome,
)
from agents.turn.states import ExitReason, Signal

OnBusy = Literal["reject", "queue", "interrupt", "steer"]


def restore_fields(value: Any, state: Sequence[Any]) -> None:  # noqa: ANN401 - any dataclass
    """The `__setstate__` of a value that a process with the code before may have sent, without its newest fields."""
    known = fields(value)
    values = (*state, *(added.default for added in known[len(state) :]))
    for own, part in zip(known, values, strict=False):
        object.__setattr__(value, own.name, part)


@dataclass(frozen=True, slots=True)
class ModelRef:
    """Names one call of the model. A signal with another reference than the current one is stale."""

    turn: int
    step: int
    attempt: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Partial:
    """The text of an answer that was cut off, as far as it came."""

    message_id: str
    content: Sequence[Block]
    model: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UserMessage:
    """A message for the agent; `on_busy` None stands for the agent's own policy, which the driver fills in.

    `channel`: see `UserMsg`.
    """

    content: Sequence[Block]
    on_busy: OnBusy | None = "reject"
    client_id: str | None = None
    principal: str | None = None
    origin: Origin = "user"
    model: str | None = None
    partial: Partial | None = None
    channel: str | None = None

    signal = Signal.USER_MESSAGE

    def __setstate__(self, state: Sequence[Any]) -> None:
        restore_fields(self, state)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelStarted:
    """The first piece of the answer has come."""

    ref: ModelRef

    signal = Signal.MODEL_STARTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """A change of a middleware's durable state, see `StatePatch`."""

    source: str
    changes: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a running tool asks people; see `Suspension` for the fields.

    `asked_by` are principals who have asked for it elsewhere, beside the ones of this turn.
    """

    kind: SuspensionKind
    prompt: str
    decisions: Sequence[Decision] = ()
    form: Mapping[str, Any] | None = None
    arguments_hash: str | None = None
    expires_at: int | None = None
    approvers: Sequence[Approver] = ()
    asked_by: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedCall:
    """A tool call of the model, joined with what the agent's definition says of the tool.

    `tool_call_id` is given by the driver and new in this conversation. `refusal` is set when the call cannot run
    (unknown tool, malformed arguments): it is the text for the model. `source`, `ends_turn`: see `ToolCall`.
    `approvers`: see `Suspension`.
    """

    tool_call_id: str
    name: str
    arguments: Mapping[str, Any]
    executor: Executor = "server"
    approval: Approval = "auto"
    on_unknown_outcome: UnknownOutcome = "repeat"
    prompt: str = ""
    expires_at: int | None = None
    refusal: str | None = None
    decisions: Sequence[Decision] = ()
    form: Mapping[str, Any] | None = None
    ends_turn: bool = False
    source: str | None = None
    approvers: Sequence[Approver] = ()
    trust: Trust = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInterrupted:
    """Middleware asked people something before the model call, which is made after their answers."""

    ref: ModelRef
    asks: Sequence[ProposedCall]
    patches: Sequence[Patch] = ()

    signal = Signal.MODEL_INTERRUPTED


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFinished:
    """The answer is complete. `asks` are questions of middleware to people that go with it.

    `feedback` causes another call of the model, which reads it as a message of the agent. `stop` (reason, detail) ends
    the turn as failed after the answer is logged; none of its calls is executed.
    """

    ref: ModelRef
    message_id: str
    content: Sequence[Block]
    calls: Sequence[ProposedCall] = ()
    stop_reason: str = "end_turn"
    usage: Mapping[str, int] = field(default_factory=dict)
    model: str | None = None
    cost: int | None = None
    output: Any = None
    patches: Sequence[Patch] = ()
    asks: Sequence[ProposedCall] = ()
    feedback: Sequence[Block] = ()
    stop: tuple[str, str] | None = None
    provider: str | None = None

    signal = Signal.MODEL_FINISHED


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFailed:
    """The model call failed for good; `reason` is a stable code, `detail` a sentence for people.

    `patches` make it last what the model is not shown any more; `again`: then the call is made once more.
    """

    ref: ModelRef
    reason: str
    detail: str
    partial: Partial | None = None
    patches: Sequence[Patch] = ()
    again: bool = False

    signal = Signal.MODEL_FAILED


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolFinished:
    """A server tool has ended, in success or not; `content` is what the model reads."""

    turn: int
    tool_call_id: str
    content: str | Sequence[Block]
    status: ResultStatus = "ok"
    patches: Sequence[Patch] = ()

    signal = Signal.TOOL_FINISHED


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolInterrupted:
    """A running tool asked people something; it has ended, and is run again with their answer."""

    turn: int
    tool_call_id: str
    question: Question
    patches: Sequence[Patch] = ()

    signal = Signal.TOOL_INTERRUPTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolve:
    """The answer to a suspension; `expires_at` is for the second suspension of a gated client call.

    `arguments_hash` says which arguments the person who decided was shown; it is refused when the suspension has
    another one. `question` is the seq of the suspension that is answered, and of no other one of the same call (None:
    the one that waits). `standing` is what the person is to the conversation, found out by the service that asks for
    credentials.
    """

    tool_call_id: str
    decision: Decision
    arguments: Mapping[str, Any] | None = None
    reason: str | None = None
    answer: Any = None
    principal: str | None = None
    arguments_hash: str | None = None
    expires_at: int | None = None
    question: int | None = None
    standing: Sequence[Standing] = ()

    signal = Signal.RESOLVE

    def __setstate__(self, state: Sequence[Any]) -> None:
        restore_fields(self, state)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expire:
    """The time of a suspension may have run out; `unattended`: no client is connected that could execute the call."""

    tool_call_id: str
    now: int
    unattended: bool = False

    signal = Signal.EXPIRE


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """A turn is to end now: the one with this number, and no other (None: the one that runs).

    `partial` is the text that its answer has so far.
    """

    principal: str | None = None
    partial: Partial | None = None
    turn: int | None = None

    signal = Signal.CANCEL


@dataclass(frozen=True, slots=True, kw_only=True)
class Patched:
    """A durable state changed outside of an answer or a tool call; `principal` is the person who did it, if one did."""

    patch: Patch
    principal: str | None = None

    signal = Signal.PATCHED


@dataclass(frozen=True, slots=True, kw_only=True)
class Summarised:
    """The turns up to `through_turn` have been summarised; the fields are those of `Summary`."""

    text: str
    through_turn: int
    after: int
    base: Mapping[str, Any]

    signal = Signal.SUMMARISED


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordDelivery:
    """A channel has delivered what it could of a turn; for the fields see `Delivered`, `turn` is the one `answered`.

    To record the same chain again changes nothing.
    """

    chain: str
    channel: str
    turn: int
    bubbles: Sequence[Mapping[str, Any]] = ()
    unsent: Sequence[Mapping[str, Any]] = ()
    principal: str | None = None

    signal = Signal.RECORD_DELIVERY


@dataclass(frozen=True, slots=True, kw_only=True)
class Recover:
    """A new incarnation has folded the log, and goes on where the log ends.

    `give_up`: too many incarnations in a row have died at this turn; it is ended instead.
    """

    give_up: bool = False

    signal = Signal.RECOVER


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """This incarnation leaves; unfinished work stays in the log for the next one."""

    reason: ExitReason = ExitReason.SHUTDOWN

    signal = Signal.STOP


Input = (
    UserMessage
    | ModelStarted
    | ModelInterrupted
    | ModelFinished
    | ModelFailed
    | ToolFinished
    | ToolInterrupted
    | Resolve
    | Expire
    | Cancel
    | Patched
    | Summarised
    | RecordDelivery
    | Recover
    | Stop
)

"""What a tool is: a frozen description with a function behind it, and what a call takes and returns."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import TypeAdapter

from agents.context import AgentContext
from agents.ports import ToolServices
from agents.turn.approvers import Approver
from agents.turn.events import Approval, Decision, Executor, Resolution, Trust, UnknownOutcome
from agents.turn.live import LiveEvent
from store import ConversationMeta

OutcomeStatus = Literal["ok", "error", "timeout", "unknown"]


@dataclass(frozen=True, slots=True)
class ToolContext:
    """The call that a tool runs in; a parameter annotated with this type receives it and is hidden from the model.

    `principal` is the person who acts: the approver of a gated call, else the `sender`, whose turn it is.
    `tool_call_id` is the same when a crash repeats the call: use it as idempotency key. `progress` shows any JSON value
    to the watchers.

    `interrupted` says that the call has raised an `Interrupt` before (see `agents.interrupt`), `resolution` is the
    answer to the last one; None: no answer came in time. A middleware's tool has its `state` here, and changes it with
    `patch`, which becomes durable together with the result; `tell` broadcasts a live event.
    """

    conversation_id: str
    tool_call_id: str
    turn: int = 0
    principal: str | None = None
    sender: str | None = None
    progress: Callable[[Any], None] = lambda _: None
    context: AgentContext = field(default_factory=AgentContext)
    resolution: Resolution | None = None
    interrupted: bool = False
    state: Mapping[str, Any] = field(default_factory=dict)
    patch: Callable[[Mapping[str, Any]], None] = lambda _: None
    tell: Callable[[LiveEvent], None] = lambda _: None
    meta: ConversationMeta | None = None
    services: ToolServices | None = None


@dataclass(frozen=True, slots=True)
class ToolOutcome:
    """The result that the model reads: a text or a list of content blocks."""

    content: str | list[dict[str, Any]]
    status: OutcomeStatus = "ok"


@dataclass(frozen=True, slots=True)
class Signature:
    """The parameters of a tool's function: a validator of its arguments, and which parameter takes the context."""

    arguments: TypeAdapter[Any]
    names: tuple[str, ...]
    context_parameter: str | None


@dataclass(frozen=True, slots=True, eq=False)
class Tool:
    """A capability of an agent; made by `tool` or `provider_tool`, which check it. Equal to itself only.

    `decisions` are the allowed ones on a gated call, empty for all. `approvers` is what a person must be to decide
    about a call, all of them at once: the conversation's `owner`, one of its `members` who may decide, an `admin` of
    the tenant, `another` person than the one who asked; empty: one who may decide in the conversation. `timeout` is in
    seconds and holds for one try; `retries` are further tries after an error or a timeout. `concurrency` bounds the
    calls that run at once in a conversation. With `ray`, the resources that it needs, the function runs as a task of
    the cluster. `form` makes the questions to people from the arguments; `check_answer` takes arguments and answer and
    returns the answer for the model, or raises ToolError. `on_cancel` is called with the arguments when the turn of a
    begun call was cancelled: to stop what the call started elsewhere.
    """

    name: str
    description: str
    input_schema: Mapping[str, Any]
    executor: Executor = "server"
    approval: Approval = "auto"
    trust: Trust = "auto"
    decisions: Sequence[Decision] = ()
    approvers: Sequence[Approver] = ()
    timeout: float = 60.0
    retries: int = 0
    concurrency: int | None = None
    ray: Mapping[str, Any] | None = None
    on_unknown_outcome: UnknownOutcome = "repeat"
    form: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None
    check_answer: Callable[[Mapping[str, Any], Any], Any] | None = None
    on_cancel: "Callable[[Mapping[str, Any], ToolContext], Awaitable[None]] | None" = None
    function: Callable[..., Any] | None = None
    signature: Signature | None = field(default=None, repr=False)
    provider_definition: Mapping[str, Any] | None = None

    def definition(self) -> dict[str, Any]:
        """The entry for `tools` of a Messages API request."""
        if self.provider_definition is not None:
            return dict(self.provider_definition)
        return {"name": self.name, "description": self.description, "input_schema": dict(self.input_schema)}

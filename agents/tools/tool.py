"""What a tool is: a frozen description with a function behind it, and what a call hands in and out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import TypeAdapter

from agents.turn.events import Approval, Executor, UnknownOutcome

OutcomeStatus = Literal["ok", "error", "timeout"]


@dataclass(frozen=True, slots=True)
class ToolContext:
    """Where a call stands; a parameter annotated with this type receives it and is hidden from the model.

    `principal` is who acts: the approver of a gated call, else the sender. `tool_call_id` is the same when a
    crash repeats the call: use it as idempotency key. `progress` shows any JSON value to those who watch.
    """

    conversation_id: str
    tool_call_id: str
    turn: int = 0
    principal: str | None = None
    progress: Callable[[Any], None] = lambda _: None


@dataclass(frozen=True, slots=True)
class ToolOutcome:
    """What the model reads as the result: a text or a list of content blocks."""

    content: str | list[dict[str, Any]]
    status: OutcomeStatus = "ok"


@dataclass(frozen=True, slots=True)
class Signature:
    """The parameters of a tool's function: a validator of arguments, and where the context goes."""

    arguments: TypeAdapter[Any]
    names: tuple[str, ...]
    context_parameter: str | None


@dataclass(frozen=True, slots=True, eq=False)
class Tool:
    """A capability of an agent; made by `tool` or `provider_tool`, which check it. Equal to itself only."""

    name: str
    description: str
    input_schema: Mapping[str, Any]
    executor: Executor = "server"
    approval: Approval = "auto"
    timeout: float = 60.0
    on_unknown_outcome: UnknownOutcome = "repeat"
    function: Callable[..., Any] | None = None
    signature: Signature | None = field(default=None, repr=False)
    provider_definition: Mapping[str, Any] | None = None

    def definition(self) -> dict[str, Any]:
        """The entry for `tools` of a Messages API request."""
        if self.provider_definition is not None:
            return dict(self.provider_definition)
        return {"name": self.name, "description": self.description, "input_schema": dict(self.input_schema)}

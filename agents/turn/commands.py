"""What the machine asks of its driver: a closed set of commands; an append precedes the effects that it explains."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agents.turn.events import Event, Resolution, ToolCall
from agents.turn.inputs import ModelRef
from agents.turn.live import LiveEvent


@dataclass(frozen=True, slots=True)
class Append:
    """Make these events durable, all or none, before anything that follows."""

    events: Sequence[Event]


@dataclass(frozen=True, slots=True)
class Broadcast:
    event: LiveEvent


@dataclass(frozen=True, slots=True)
class CallModel:
    ref: ModelRef


@dataclass(frozen=True, slots=True)
class StopModel:
    ref: ModelRef


@dataclass(frozen=True, slots=True)
class RunTool:
    """Execute the call with `arguments`, as edited by the approver, in the name of the `principal`.

    `interrupted`: the tool ran before and asked people something; `resolution` is their answer, None if none came in
    time.
    """

    call: ToolCall
    arguments: Mapping[str, Any]
    principal: str | None
    interrupted: bool = False
    resolution: Resolution | None = None


@dataclass(frozen=True, slots=True)
class StopTools:
    """Stop these calls. `abandoned` are the calls that are over for good: they may have started something elsewhere."""

    tool_call_ids: Sequence[str]
    abandoned: Sequence[RunTool] = ()


@dataclass(frozen=True, slots=True)
class ArmExpiry:
    tool_call_id: str
    at: int


@dataclass(frozen=True, slots=True)
class DisarmExpiry:
    tool_call_id: str


@dataclass(frozen=True, slots=True)
class Finish:
    """Nothing runs any more: the conversation is at rest, or this incarnation may leave."""


Command = Append | Broadcast | CallModel | StopModel | RunTool | StopTools | ArmExpiry | DisarmExpiry | Finish

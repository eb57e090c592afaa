"""The model's answer before it is logged, as the middleware sees and changes it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agents.turn.events import Block
from agents.turn.inputs import ProposedCall


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """`content` has a `{"type": "tool_call", "tool_call_id"}` block for each of `calls`.

    A call is gated by `replace(call, approval="required")`, kept from running by `replace(call, refusal=text)`.
    `feedback` blocks make another call of the model, which reads them as a message. `cost` is in millionths of a US
    dollar; `output` is the object of structured output.
    """

    content: Sequence[Block]
    calls: Sequence[ProposedCall] = ()
    stop_reason: str = "end_turn"
    usage: Mapping[str, int] = field(default_factory=dict)
    model: str | None = None
    cost: int | None = None
    output: Any = None
    feedback: Sequence[Block] = ()

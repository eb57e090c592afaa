"""One exchange with the model, as the middleware sees and changes it: what will be sent, and what came back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agents.models import Json
from agents.tools import Tool
from agents.turn.events import Block
from agents.turn.inputs import ProposedCall


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What will be sent to the model; it lasts for one call.

    `system` are sections, joined by blank lines. `messages` are in Messages API shapes, roles alternating.
    `injected` are content blocks that follow all messages, in a user message at the end: what changes from call to
    call belongs there, so that everything before it can be cached. Neither is ever logged.
    """

    system: Sequence[str]
    messages: Sequence[Json]
    tools: Sequence[Tool]
    max_tokens: int
    injected: Sequence[Json] = ()
    model: str | None = None

    def parts(self) -> list[str | Json]:
        """All that the model reads."""
        return [*self.system, *self.messages, *self.injected, *(tool.definition() for tool in self.tools)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The model's answer before it is logged.

    `content` has a `{"type": "tool_call", "tool_call_id"}` block for each of `calls`. `replace(call,
    approval="required")` makes a call wait for an approval; `replace(call, refusal=text)` keeps it from running.
    `feedback` blocks cause another call of the model, which reads them as a message. `cost` is in millionths of a US
    dollar; `output` is the object of structured output, `provider` whose server wrote the answer.
    """

    content: Sequence[Block]
    calls: Sequence[ProposedCall] = ()
    stop_reason: str = "end_turn"
    usage: Mapping[str, int] = field(default_factory=dict)
    model: str | None = None
    cost: int | None = None
    output: Any = None
    feedback: Sequence[Block] = ()
    provider: str | None = None

"""What a middleware sees of the conversation it works for, and how it leaves something behind."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agents.agent import Agent
from agents.services import Services
from agents.turn import Event
from agents.turn.events import Resolution, ToolResult
from agents.turn.facts import Facts
from agents.turn.live import LiveEvent
from store import ConversationMeta


@dataclass(frozen=True, slots=True)
class Asked:
    """What this middleware asked people in this step: the result is there when it is called again."""

    prompt: str
    result: ToolResult
    resolution: Resolution | None
    """None: nobody answered in time."""


@dataclass(slots=True, kw_only=True)
class TurnContext:
    """One for each middleware and model call. `turn` and `step` name the call; outside of one, `step` is 0.

    `facts` are those of the moment (`facts.usage`: the totals of the whole conversation), `events` the working set:
    the log behind the last summary, whose text is `summary`. `rests` are the turns up to which a summary may reach.
    `state` is this middleware's own durable state, what it patched in this call included.
    """

    conversation_id: str
    agent: Agent
    meta: ConversationMeta
    facts: Facts
    turn: int
    step: int
    principal: str | None
    events: Sequence[Event]
    summary: str | None
    rests: Sequence[int]
    state: Mapping[str, Any]
    services: Services
    tell: Callable[[LiveEvent], None]
    """Broadcast to the watchers, lossy."""
    background: Callable[[Coroutine[Any, Any, None]], None]
    """Run something beside the turn; it ends with the incarnation, its errors are logged with our name."""
    patch_later: Callable[[Mapping[str, Any]], None]
    """Patch the durable state from a background task."""
    summarise: Callable[["SummaryText"], None]
    """Replace the oldest turns by a summary (Compaction)."""
    asked: Sequence[Asked] = ()
    patches: dict[str, Any] = field(default_factory=dict)

    def patch(self, **changes: Any) -> None:  # noqa: ANN401 - any JSON value; None removes the key
        """Change the durable state, together with the answer of the model call under way."""
        self.patches.update(changes)
        merged = {**self.state, **changes}
        self.state = {key: value for key, value in merged.items() if value is not None}


@dataclass(frozen=True, slots=True)
class SummaryText:
    """The turns up to `through_turn`, one of the conversation's points of rest, in words."""

    text: str
    through_turn: int

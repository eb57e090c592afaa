"""What a middleware sees of its conversation, and how it broadcasts, runs work in the background and keeps state."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agents.agent import Agent
from agents.errors import UnstorableValue
from agents.models import Model
from agents.services import Services
from agents.storable import storage_problem
from agents.turn import Event
from agents.turn.events import Resolution, ToolResult
from agents.turn.facts import Facts
from agents.turn.live import LiveEvent
from store import ConversationMeta


@dataclass(frozen=True, slots=True)
class AnsweredInterrupt:
    """A question that this middleware asked in this step: the middleware is called again once the result is there."""

    prompt: str
    result: ToolResult
    resolution: Resolution | None
    """None: the question expired without an answer."""


@dataclass(slots=True, kw_only=True)
class TurnContext:
    """One for each middleware and model call. `turn` and `step` identify the call; outside of a call, `step` is 0.

    `model` is the one that the turn asks. `facts` are the current ones (`facts.usage`: the totals of the whole
    conversation). `events` is the working set: the events after the last summary, whose text is `summary`. A summary
    may reach up to any of the `quiescent_turns`. `state` is this middleware's own durable state, including what it has
    patched in this call.
    """

    conversation_id: str
    agent: Agent
    model: Model
    meta: ConversationMeta
    facts: Facts
    turn: int
    step: int
    principal: str | None
    events: Sequence[Event]
    summary: str | None
    quiescent_turns: Sequence[int]
    state: Mapping[str, Any]
    services: Services
    tell: Callable[[LiveEvent], None]
    """Broadcast a live event to the watchers; it may be lost."""
    background: Callable[[Coroutine[Any, Any, None]], object]
    """Run a coroutine beside the turn. It is cancelled with the incarnation; its errors are logged with our name."""
    patch_later: Callable[[Mapping[str, Any]], None]
    """Patch the durable state from a background task. Raises `UnstorableValue`."""
    summarise: Callable[["SummaryText"], None]
    """Replace the oldest turns by a summary; for Compaction."""
    answered_interrupts: Sequence[AnsweredInterrupt] = ()
    patches: dict[str, Any] = field(default_factory=dict)

    @property
    def person(self) -> str:
        """Whose turn it is: whose memory and instructions count."""
        return self.facts.principal or self.principal or self.meta.principal

    def patch(self, **changes: Any) -> None:  # noqa: ANN401 - any JSON value; None removes the key
        """Change the durable state; the change is logged together with the answer of the current model call.

        Raises `UnstorableValue`, which ends the turn unless it is caught.
        """
        if (problem := storage_problem(changes)) is not None:
            raise UnstorableValue("its state", problem)
        self.patches.update(changes)
        merged = {**self.state, **changes}
        self.state = {key: value for key, value in merged.items() if value is not None}


@dataclass(frozen=True, slots=True)
class SummaryText:
    """A summary of the turns up to `through_turn`, which is one of the `quiescent_turns`."""

    text: str
    through_turn: int

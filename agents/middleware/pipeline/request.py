"""What will be sent to the model, as the middleware sees and changes it; it lasts for one call."""

from collections.abc import Sequence
from dataclasses import dataclass

from agents.models import Json
from agents.tools import Tool


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """`system` are sections, joined by blank lines. `messages` are in Messages API shapes, roles alternating.

    `injected` are content blocks put behind all messages, in a user message at the end: what changes from call to
    call belongs there, so that what stands before it can be cached. Neither is ever logged.
    """

    system: Sequence[str]
    messages: Sequence[Json]
    tools: Sequence[Tool]
    max_tokens: int
    injected: Sequence[Json] = ()
    model: str | None = None

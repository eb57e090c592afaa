"""What a model is to a conversation: a request in Messages API shapes, answered by a stream of events."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

Json = dict[str, Any]
"""One JSON object in the shape the Messages API gives it."""


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One call of a model; `model` overrides the model's own choice of name for this call only.

    `output_schema` is the JSON schema that the answer's text has to match. `stable` is how many of the leading
    messages will come again unchanged with the next call, so that the provider may cache them; `injected` is how many
    blocks at the end of the last one are for this call alone.
    """

    system: str
    messages: Sequence[Json]
    tools: Sequence[Json] = ()
    max_tokens: int = 8192
    model: str | None = None
    output_schema: Json | None = None
    stable: int = 0
    injected: int = 0


@dataclass(frozen=True, slots=True)
class Usage:
    """What the call cost, in tokens."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_input_tokens: int = 0
    cache_creation_input_tokens: int = 0


@dataclass(frozen=True, slots=True)
class TextChunk:
    text: str


@dataclass(frozen=True, slots=True)
class ThinkingChunk:
    text: str


@dataclass(frozen=True, slots=True)
class ToolUseStarted:
    """The model began to write a call; its arguments follow with `Completed`."""

    provider_id: str
    name: str


@dataclass(frozen=True, slots=True)
class Completed:
    """The answer is whole; always the last event of a stream that did not fail.

    `content` holds the blocks in the order of the answer. A `tool_use` whose arguments were no JSON object
    has an empty `input` and carries the raw text under `malformed`.
    """

    content: list[Json]
    stop_reason: str
    usage: Usage = field(default_factory=Usage)
    model: str = ""


ModelEvent = TextChunk | ThinkingChunk | ToolUseStarted | Completed


class Model(Protocol):
    """Streams an answer, fails with ModelError only; closing the generator closes its connection at once."""

    @property
    def name(self) -> str:
        """The name the answers are attributed to."""

    def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """Start the call at the first iteration.

        Between two pieces it may ask `agents.models.read_pacing.coalescing_delay` how long the next one can wait.
        """

    async def aclose(self) -> None:
        """Give back the connections, if there are any; the model is not used afterwards."""

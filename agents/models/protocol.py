"""What a conversation needs of a model: it answers a request in Messages API shapes with a stream of events."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

Json = dict[str, Any]
"""A JSON object in a shape of the Messages API."""


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One call of a model; `model` overrides the name of the model for this call only.

    `output_schema` is the JSON schema that the answer's text has to match. `stable` is how many of the first messages
    come again unchanged with the next call, so that the provider may cache them; `injected` is how many blocks at the
    end of the last message are for this call alone.
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
class TokenUsage:
    """What the call used, in tokens."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_input_tokens: int = 0
    cache_creation_input_tokens: int = 0


@dataclass(frozen=True, slots=True)
class TextChunk:
    """A piece of the answer's text."""

    text: str


@dataclass(frozen=True, slots=True)
class ThinkingChunk:
    """A piece of the model's thinking."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolUseStarted:
    """The model began to write a tool call; the arguments follow with `Completed`."""

    provider_id: str
    name: str


@dataclass(frozen=True, slots=True)
class Completed:
    """The answer is complete; always the last event of a stream that did not fail.

    `content` holds the blocks in the order of the answer. A `tool_use` whose arguments were no JSON object has an
    empty `input`, and the raw text under `malformed`. `provider` says whose server wrote it, as the model's does.
    """

    content: list[Json]
    stop_reason: str
    usage: TokenUsage = field(default_factory=TokenUsage)
    model: str = ""
    provider: str | None = None


ModelEvent = TextChunk | ThinkingChunk | ToolUseStarted | Completed


class Model(Protocol):
    """Streams answers; fails with ModelError only. Closing the generator closes its connection at once.

    It may have an attribute `provider`, a text: what an answer of one provider holds for it alone, such as thinking, is
    left out of requests to models with another one.
    """

    @property
    def name(self) -> str:
        """The name that its answers carry."""

    def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """Start the call at the first iteration.

        Between two pieces it may ask `agents.models.read_pacing.coalescing_delay` how long the next one can wait.
        """

    async def aclose(self) -> None:
        """Close the connections, if there are any; the model is not used afterwards."""

"""What the tests of models share: a request, a model that calls the stand-in, and reading a stream to its end."""

from collections.abc import Sequence
from typing import Any

from agents.errors import ModelError
from agents.models import Completed, Json, Model, ModelEvent, ModelRequest, TextChunk
from agents.models.anthropic.model import AnthropicModel
from tests.messages_api import MessagesServer

HELLO: list[Json] = [{"role": "user", "content": "Hello"}]


def request(messages: Sequence[Json] = HELLO, **fields: Any) -> ModelRequest:
    return ModelRequest(**{"system": "Be brief.", "messages": messages, "max_tokens": 100, **fields})


def model_at(server: MessagesServer, **settings: Any) -> AnthropicModel:
    defaults = {"api_key": "test-key", "base_url": server.url, "retry_pause": 0.001, "read_timeout": 5.0}
    return AnthropicModel("claude-test", **{**defaults, **settings})


async def read(model: Model, wanted: ModelRequest) -> list[ModelEvent]:
    return [event async for event in model.stream(wanted)]


async def read_until_failure(model: Model, wanted: ModelRequest) -> tuple[list[ModelEvent], ModelError]:
    """What was streamed before the stream failed, and the failure."""
    events: list[ModelEvent] = []
    try:
        async for event in model.stream(wanted):
            events.append(event)  # noqa: PERF401 - a comprehension would lose them in the failure
    except ModelError as error:
        return events, error
    raise AssertionError(f"the stream did not fail: {events}")


def text_of(events: Sequence[ModelEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextChunk))


def completed(events: Sequence[ModelEvent]) -> Completed:
    last = events[-1]
    assert isinstance(last, Completed)
    return last

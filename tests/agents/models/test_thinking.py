"""Thinking goes back as it came; thinking that the provider refuses is left out of the call."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from agents.models import Json, TextChunk, ThinkingChunk
from agents.models.anthropic.model import AnthropicModel
from tests.messages_api import ErrorReply, MessagesServer, Reply, ToolUse
from tests.support.model_requests import completed, model_at, read, read_until_failure, request, text_of

TOOLS = [{"name": "clock", "description": "The time.", "input_schema": {"type": "object"}}]
BUDGET = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
ADAPTIVE = {"thinking": {"type": "adaptive"}}
BETA = "thinking-binding-controls-2026-08-01"


def message_of(role: str, *blocks: Any) -> Json:
    return {"role": role, "content": [{"type": "text", "text": b} if isinstance(b, str) else b for b in blocks]}


def result(block: Json) -> Json:
    return {"type": "tool_result", "tool_use_id": block["id"], "content": "12:00"}


@pytest.fixture
def binding() -> Iterator[MessagesServer]:
    """A provider that signs thinking together with what stands before it."""
    with MessagesServer(binds_thinking=True) as server:
        yield server


@asynccontextmanager
async def model_with(server: MessagesServer, **settings: Any) -> AsyncIterator[AnthropicModel]:
    model = model_at(server, **settings)
    yield model
    await model.aclose()


async def cycle(model: AnthropicModel, server: MessagesServer, reply: Reply) -> list[Json]:
    """The messages of a turn after its first step: what was asked, the thoughtful answer, the results."""
    server.enqueue(reply)
    asked = [message_of("user", "What time is it?")]
    answer = completed(await read(model, request(asked, tools=TOOLS, max_tokens=4096)))
    calls = [block for block in answer.content if block["type"] == "tool_use"]
    return [*asked, message_of("assistant", *answer.content), message_of("user", *map(result, calls))]


REPLIES = {
    "shown": Reply("Let me see.", thinking="Look at the clock.", calls=[ToolUse("clock")]),
    "not shown": Reply(thinking="", calls=[ToolUse("clock")]),
    "redacted": Reply(redacted="b3BhcXVl", calls=[ToolUse("clock")]),
    "in between": Reply(
        thinking="One.",
        blocks=[{"type": "text", "text": "Well."}, {"type": "thinking", "thinking": "Two."}],
        calls=[ToolUse("clock"), ToolUse("clock")],
    ),
}


@pytest.mark.parametrize("reply", REPLIES.values(), ids=REPLIES)
@pytest.mark.parametrize("options", [BUDGET, ADAPTIVE], ids=["budget", "adaptive"])
async def test_it_goes_back_as_it_came(messages_api: MessagesServer, reply: Reply, options: Json) -> None:
    """The stand-in compares it with what it has signed."""
    async with model_with(messages_api, options=options) as model:
        messages = await cycle(model, messages_api, reply)
        messages_api.enqueue(Reply("It is noon."))
        assert text_of(await read(model, request(messages, tools=TOOLS, max_tokens=4096))) == "It is noon."
    assert messages_api.rejections == []
    assert messages_api.requests[1].body["thinking"] == options["thinking"]
    assert messages_api.requests[1].body["messages"] == messages


async def test_thinking_that_is_not_shown_is_no_news(claude: AnthropicModel, messages_api: MessagesServer) -> None:
    messages_api.enqueue(Reply("Done.", thinking=""), Reply("Done.", thinking="Hm."))
    assert [type(event) for event in (await read(claude, request()))[:-1]] == [TextChunk]
    assert [type(event) for event in (await read(claude, request()))[:-1]] == [ThinkingChunk, TextChunk]


async def test_a_budget_beyond_the_limit_of_the_answer_is_refused(messages_api: MessagesServer) -> None:
    async with model_with(messages_api, options=BUDGET) as model:
        _, error = await read_until_failure(model, request(max_tokens=1024))
    assert error.reason == "invalid_request"
    assert messages_api.rejections == ["`max_tokens` must be greater than `thinking.budget_tokens`"]


async def test_a_prefix_that_has_changed_is_admitted_once_and_known_from_then_on(binding: MessagesServer) -> None:
    """The text injected before the first step differs from the one before the second."""
    async with model_with(binding) as model:
        messages = await cycle(model, binding, REPLIES["shown"])
        first = [message_of("user", "What time is it?", "You are in Berlin."), *messages[1:]]
        for _ in range(2):
            await read(model, request(first, tools=TOOLS))
    assert len(binding.rejections) == 1, "the second time it is said at once"
    for received in binding.requests[1:]:
        assert received.body["thinking"] == {
            "type": "adaptive",
            "block_binding": {"prefix_mismatch_behavior": "drop_block"},
        }
        assert received.body["messages"] == first, "all of it is sent, to be dropped by the provider"
        assert received.headers["anthropic-beta"] == BETA


async def test_other_betas_are_kept(binding: MessagesServer) -> None:
    options = {"thinking": {"type": "adaptive", "display": "summarized"}}
    async with model_with(binding, headers={"anthropic-beta": "other-2026-01-01"}, options=options) as model:
        messages = await cycle(model, binding, REPLIES["shown"])
        await read(model, request(messages, tools=TOOLS, system="Another one."))
    assert binding.requests[0].headers["anthropic-beta"] == "other-2026-01-01"
    assert binding.requests[1].headers["anthropic-beta"] == f"other-2026-01-01,{BETA}"
    assert binding.requests[1].body["thinking"]["display"] == "summarized"


async def test_a_prefix_that_is_the_same_is_accepted(binding: MessagesServer) -> None:
    async with model_with(binding) as model:
        for stable in (0, 3):
            messages = await cycle(model, binding, REPLIES["in between"])
            await read(model, request(messages, tools=TOOLS, stable=stable))
    assert binding.rejections == [], "the cache markers are no change"


async def test_thinking_of_another_model_is_left_out(messages_api: MessagesServer) -> None:
    """The provider has not signed it: a conversation may have changed its model, or its provider."""
    foreign = {"type": "thinking", "thinking": "Elsewhere.", "signature": "scripted"}
    messages = [message_of("user", "Hello"), message_of("assistant", foreign, "Hi."), message_of("user", "And now?")]
    async with model_with(messages_api, options=ADAPTIVE) as model:
        messages_api.enqueue(Reply("Now this."))
        assert text_of(await read(model, request(messages))) == "Now this."
    assert "Invalid `signature`" in messages_api.rejections[0]
    sent = messages_api.requests[0].body
    assert sent["messages"] == [messages[0], message_of("assistant", "Hi."), messages[2]]
    assert sent["thinking"] == {"type": "adaptive"}


async def test_a_budget_needs_the_thinking_that_is_not_there(messages_api: MessagesServer) -> None:
    """The turn began without thinking, and waited for a person while an agent with a budget was deployed."""
    call = {"type": "tool_use", "id": "toolu_1", "name": "clock", "input": {}}
    messages = [message_of("user", "The time?"), message_of("assistant", call), message_of("user", result(call))]
    async with model_with(messages_api, options=BUDGET) as model:
        messages_api.enqueue(Reply("Noon."))
        assert text_of(await read(model, request(messages, tools=TOOLS, max_tokens=4096))) == "Noon."
        await read(model, request(max_tokens=4096))
    assert "thinking" not in messages_api.requests[0].body, "not within this turn"
    assert messages_api.requests[1].body["thinking"] == BUDGET["thinking"]


@pytest.mark.parametrize(
    "says",
    [
        "messages.1.content.0: Invalid `signature` in `thinking` block",
        "messages.1.content.0.thinking.signature: Field required",
        "messages.1.content.0: `thinking` or `redacted_thinking` blocks in the latest assistant message cannot be "
        "modified. These blocks must remain as they were in the original response.",
    ],
)
async def test_however_the_provider_puts_it(messages_api: MessagesServer, says: str) -> None:
    async with model_with(messages_api) as model:
        messages = await cycle(model, messages_api, REPLIES["shown"])
        messages_api.enqueue(ErrorReply(400, "invalid_request_error", says), Reply("Noon."))
        assert text_of(await read(model, request(messages, tools=TOOLS))) == "Noon."
    kinds = [block["type"] for block in messages_api.requests[-1].body["messages"][1]["content"]]
    assert kinds == ["text", "tool_use"]


async def test_it_does_not_try_for_ever(messages_api: MessagesServer) -> None:
    says = "messages.1.content.0: Invalid `signature` in `thinking` block. Set `thinking.block_binding`, or whatever."
    messages_api.responder = lambda _: ErrorReply(400, "invalid_request_error", says)
    async with model_with(messages_api) as model:
        _, error = await read_until_failure(model, request())
    assert error.reason == "invalid_request"
    assert len(messages_api.requests) == 2


async def test_other_refusals_are_final(claude: AnthropicModel, messages_api: MessagesServer) -> None:
    thought = {"type": "redacted_thinking", "data": "b3BhcXVl"}
    messages_api.enqueue(Reply("Hm.", redacted="b3BhcXVl"))
    await read(claude, request())
    messages_api.enqueue(ErrorReply(400, "invalid_request_error", "max_tokens: too many for thinking"))
    history = [message_of("user", "Hello"), message_of("assistant", thought, "Hm."), message_of("user", "Go on.")]
    await read_until_failure(claude, request(history))
    assert len(messages_api.requests) == 2

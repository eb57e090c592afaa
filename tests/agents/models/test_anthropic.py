"""AnthropicModel: the real SDK against a real HTTP server that speaks the provider's wire format."""

import asyncio

import pytest

from agents.examples.tools import calculator, clock
from agents.models import Completed, TextChunk, ThinkingChunk, TokenUsage, ToolUseStarted
from agents.models.anthropic.model import AnthropicModel
from agents.models.read_pacing import pace_reading
from tests.messages_api import MessagesServer, Reply, ToolUse
from tests.support.model_requests import HELLO, completed, model_at, read, read_until_failure, request, text_of


async def test_text_arrives_token_by_token(claude: AnthropicModel, messages_api: MessagesServer) -> None:
    messages_api.enqueue(Reply("One two three.", input_tokens=12, output_tokens=3, delay=0.02))
    assert await read(claude, request()) == [
        TextChunk("One"),
        TextChunk(" two"),
        TextChunk(" three."),
        Completed(
            [{"type": "text", "text": "One two three."}], "end_turn", TokenUsage(12, 3), "claude-test", claude.provider
        ),
    ]


async def test_tokens_that_come_together_are_one_piece(claude: AnthropicModel, messages_api: MessagesServer) -> None:
    messages_api.enqueue(Reply("One two three.", thinking="Hm."))
    *deltas, _ = await read(claude, request())
    assert deltas == [ThinkingChunk("Hm."), TextChunk("One two three.")]


async def test_thinking_text_and_two_calls(claude: AnthropicModel, messages_api: MessagesServer) -> None:
    calls = [ToolUse("clock", {"timezone": "Europe/Berlin"}), ToolUse("calculator", {"expression": "2 + 3"})]
    messages_api.enqueue(Reply("Let me see.", thinking="Two tools.", calls=calls))
    events = await read(claude, request(tools=[clock.definition(), calculator.definition()]))
    assert events[0] == ThinkingChunk("Two tools.")
    assert [event.name for event in events if isinstance(event, ToolUseStarted)] == ["clock", "calculator"]
    answer = completed(events)
    assert answer.stop_reason == "tool_use"
    assert answer.content == [
        {"type": "thinking", "thinking": "Two tools.", "signature": "c2lnbmVkIDEuMA=="},
        {"type": "text", "text": "Let me see."},
        {"type": "tool_use", "id": "toolu_000001_0", "name": "clock", "input": {"timezone": "Europe/Berlin"}},
        {"type": "tool_use", "id": "toolu_000001_1", "name": "calculator", "input": {"expression": "2 + 3"}},
    ]


async def test_what_is_sent(claude: AnthropicModel, messages_api: MessagesServer) -> None:
    await read(claude, request(tools=[clock.definition()]))
    received = messages_api.requests[0]
    assert received.body == {
        "model": "claude-test",
        "max_tokens": 100,
        "stream": True,
        "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
        "messages": HELLO,
        "tools": [{**clock.definition(), "cache_control": {"type": "ephemeral"}}],
    }
    assert received.headers["authorization"] == "Bearer test-key"


async def test_nothing_empty_is_sent(claude: AnthropicModel, messages_api: MessagesServer) -> None:
    await read(claude, request(system=""))
    assert messages_api.requests[0].body.keys() == {"model", "max_tokens", "stream", "messages"}


async def test_the_request_may_choose_the_model(claude: AnthropicModel, messages_api: MessagesServer) -> None:
    events = await read(claude, request(model="claude-other"))
    assert messages_api.requests[0].body["model"] == "claude-other"
    assert completed(events).model == "claude-other"


async def test_options_go_with_every_request(messages_api: MessagesServer) -> None:
    model = model_at(messages_api, options={"temperature": 0.2})
    await read(model, request())
    assert messages_api.requests[0].body["temperature"] == 0.2
    await model.aclose()


async def test_headers_go_with_every_request(messages_api: MessagesServer) -> None:
    model = model_at(messages_api, headers={"anthropic-beta": "context-1m-2025-08-07"})
    await read(model, request())
    assert messages_api.requests[0].headers["anthropic-beta"] == "context-1m-2025-08-07"
    assert messages_api.requests[0].headers["content-type"] == "application/json"
    await model.aclose()


async def test_what_is_no_json_is_not_sent(claude: AnthropicModel, messages_api: MessagesServer) -> None:
    _, error = await read_until_failure(claude, request([{"role": "user", "content": "half a pair: \ud83d"}]))
    assert error.reason == "invalid_request"
    assert messages_api.requests == []


async def test_the_environment_is_not_read(messages_api: MessagesServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "from the environment")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:9")
    model = model_at(messages_api)
    await read(model, request())
    assert messages_api.requests[0].headers["authorization"] == "Bearer test-key"
    await model.aclose()


async def test_a_call_starts_when_it_is_iterated(claude: AnthropicModel, messages_api: MessagesServer) -> None:
    stream = claude.stream(request())
    assert messages_api.requests == []
    await stream.aclose()
    assert messages_api.requests == []


async def test_the_connection_is_used_again(claude: AnthropicModel, messages_api: MessagesServer) -> None:
    for _ in range(3):
        await read(claude, request())
    assert len({received.peer for received in messages_api.requests}) == 1
    assert not any(received.hung_up.is_set() for received in messages_api.requests)


async def test_many_calls_at_once(claude: AnthropicModel, messages_api: MessagesServer) -> None:
    messages_api.responder = lambda body: Reply(body["messages"][0]["content"], delay=0.001)
    questions = [f"question {number} of many" for number in range(30)]
    answers = await asyncio.gather(
        *(read(claude, request([{"role": "user", "content": question}])) for question in questions)
    )
    assert [text_of(events) for events in answers] == questions


async def test_tokens_are_not_held_back(claude: AnthropicModel, messages_api: MessagesServer) -> None:
    messages_api.enqueue(Reply("first second third", delay=0.1))
    loop = asyncio.get_running_loop()
    times = [loop.time() async for event in claude.stream(request()) if isinstance(event, TextChunk)]
    assert times[2] - times[0] > 0.15


async def test_pieces_that_may_wait_are_read_as_one(claude: AnthropicModel, messages_api: MessagesServer) -> None:
    words = [f"{number} " for number in range(20)]
    messages_api.enqueue(Reply(words, delay=0.01))
    with pace_reading(lambda: 0.1):
        *deltas, end = await read(claude, request())
    assert text_of(deltas) == "".join(words)
    assert len(deltas) < len(words) / 2
    assert isinstance(end, Completed)


async def test_what_has_come_is_yielded_before_the_rest_may_wait(
    claude: AnthropicModel, messages_api: MessagesServer
) -> None:
    messages_api.enqueue(Reply("One two three."))
    with pace_reading(lambda: 3600.0):
        assert text_of(await read(claude, request())) == "One two three."

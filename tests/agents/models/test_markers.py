"""Where the cache markers stand in a request, and what a cache reads and writes by them from call to call."""

from itertools import pairwise
from typing import Any

import pytest

from agents.models import Json, TokenUsage
from agents.models.anthropic.body import build_body
from agents.models.anthropic.model import AnthropicModel
from tests.messages_api import MessagesServer, Reply, ToolUse
from tests.support.model_requests import completed, model_at, read, request

MARKER = {"cache_control": {"type": "ephemeral"}}
TOOLS = [{"name": name, "description": name, "input_schema": {"type": "object"}} for name in ("first", "last")]
CALL = {"type": "tool_use", "id": "toolu_1", "name": "first", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "done"}


def message_of(role: str, *blocks: Any) -> Json:
    return {"role": role, "content": [text(block) if isinstance(block, str) else block for block in blocks]}


def text(words: str) -> Json:
    return {"type": "text", "text": words}


CYCLE = [message_of("user", "Go."), message_of("assistant", "I go.", CALL), message_of("user", RESULT)]


def marked(body: Json) -> list[str]:
    """Where the markers are: `tools`, `system`, or the number of message and block."""
    places = ["tools" for tool in body.get("tools", ()) if "cache_control" in tool]
    places += ["system" for block in body.get("system", ()) if "cache_control" in block]
    return places + [
        f"{number}.{position}"
        for number, message in enumerate(body["messages"])
        for position, block in enumerate(message["content"])
        if "cache_control" in block
    ]


def test_tools_and_system_are_marked_at_their_ends() -> None:
    body = build_body(request(CYCLE, tools=TOOLS), "m", {})
    assert body["tools"] == [TOOLS[0], {**TOOLS[1], **MARKER}]
    assert body["system"] == [{**text("Be brief."), **MARKER}]
    assert marked(body) == ["tools", "system"], "no message is stable unless the request says so"


def test_the_stable_messages_are_marked_at_their_end_and_where_the_last_call_ended() -> None:
    body = build_body(request(CYCLE, tools=TOOLS, stable=3), "m", {})
    assert marked(body) == ["tools", "system", "0.0", "2.0"]


def test_nothing_is_marked_behind_the_stable_messages() -> None:
    injected = [*CYCLE[:2], message_of("user", RESULT, "The time is 12:00.")]
    assert marked(build_body(request(injected, stable=2), "m", {})) == ["system", "1.1"]
    assert marked(build_body(request(injected, stable=2, injected=1), "m", {})) == ["system", "0.0", "2.0"]
    alone = [*CYCLE[:2], message_of("user", "The time is 12:00.")]
    assert marked(build_body(request(alone, stable=2, injected=1), "m", {})) == ["system", "1.1"]


def test_there_are_never_more_than_four() -> None:
    long = [*CYCLE, message_of("assistant", "Well."), message_of("user", "And?")] * 3
    for stable in range(len(long) + 1):
        assert len(marked(build_body(request(long, tools=TOOLS, stable=stable), "m", {}))) <= 4


def test_a_text_in_short_form_becomes_a_block() -> None:
    body = build_body(request([{"role": "user", "content": "Hello"}], stable=1), "m", {})
    assert body["messages"] == [{"role": "user", "content": [{**text("Hello"), **MARKER}]}]


def test_thinking_and_the_providers_own_blocks_are_not_marked() -> None:
    search = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
    last = message_of("assistant", "Let me look.", search, {"type": "redacted_thinking", "data": "x"})
    assert marked(build_body(request([message_of("user", "?"), last], stable=2), "m", {})) == ["system", "1.0"]
    only = message_of("assistant", search)
    assert marked(build_body(request([message_of("user", "?"), only], stable=2), "m", {})) == ["system"]


def test_the_markers_of_a_sender_are_taken_away() -> None:
    greedy = message_of("user", *({**text(word), **MARKER} for word in "abcdef"))
    body = build_body(request([greedy], stable=1), "m", {})
    assert marked(body) == ["system", "0.5"]
    assert len(marked({"messages": [greedy]})) == 6, "the log is not changed"


def test_a_tool_that_is_loaded_later_is_not_marked() -> None:
    later = {**TOOLS[1], "defer_loading": True}
    assert build_body(request(tools=[TOOLS[0], later]), "m", {})["tools"] == [TOOLS[0], later]


@pytest.fixture
def caching() -> Any:
    with MessagesServer(caches=True) as server:
        yield server


async def test_each_call_of_a_tool_cycle_reads_what_the_one_before_wrote(caching: MessagesServer) -> None:
    """Also when one step is longer than the twenty blocks that the provider looks back."""
    model = model_at(caching)
    messages = [message_of("user", "Begin. " * 200)]
    usages: list[TokenUsage] = []
    for calls in (1, 15, 1):
        caching.enqueue(Reply("Working.", calls=[ToolUse("first")] * calls))
        answer = completed(await read(model, request(messages, tools=TOOLS, stable=len(messages))))
        usages.append(answer.usage)
        results = [{**RESULT, "tool_use_id": block["id"]} for block in answer.content if block["type"] == "tool_use"]
        messages += [message_of("assistant", *answer.content), message_of("user", *results)]
    await model.aclose()
    assert usages[0].cache_read_input_tokens == 0
    assert usages[0].cache_creation_input_tokens > 300
    for before, after in pairwise(usages):
        assert after.cache_read_input_tokens == before.cache_read_input_tokens + before.cache_creation_input_tokens
        assert after.input_tokens == 0, "all of it was marked"


async def test_what_is_injected_is_paid_in_full_and_spoils_nothing(caching: MessagesServer) -> None:
    model = model_at(caching)
    history = [message_of("user", "Begin. " * 200), message_of("assistant", "Good. " * 200)]
    usages = []
    for hour in ("noon", "one o'clock"):
        asked = [*history, message_of("user", "What time is it?", f"It is {hour}.")]
        usages.append(completed(await read(model, request(asked, stable=2, injected=1))).usage)
    await model.aclose()
    assert usages[0].cache_creation_input_tokens > 500
    assert usages[1].cache_read_input_tokens == usages[0].cache_creation_input_tokens
    assert usages[1].cache_creation_input_tokens == 0
    assert usages[1].input_tokens > 0


async def test_each_call_of_a_cycle_finds_the_last_one_behind_what_is_injected(caching: MessagesServer) -> None:
    model = model_at(caching)
    messages = [message_of("user", "Begin. " * 200)]
    usages: list[TokenUsage] = []
    for number in range(3):
        *earlier, last = messages
        asked = [*earlier, message_of("user", *last["content"], f"This is call {number}.")]
        caching.enqueue(Reply("Working.", calls=[ToolUse("first")] * 12))
        answer = completed(await read(model, request(asked, tools=TOOLS, stable=len(asked) - 1, injected=1)))
        usages.append(answer.usage)
        results = [{**RESULT, "tool_use_id": block["id"]} for block in answer.content if block["type"] == "tool_use"]
        messages += [message_of("assistant", *answer.content), message_of("user", *results)]
    await model.aclose()
    for before, after in pairwise(usages):
        assert after.cache_read_input_tokens == before.cache_read_input_tokens + before.cache_creation_input_tokens
        assert 0 < after.input_tokens < 50, "only what is injected"


async def test_the_counts_of_the_cache_are_in_the_usage(claude: AnthropicModel, messages_api: MessagesServer) -> None:
    messages_api.enqueue(Reply("Yes.", cache_read_tokens=700, cache_write_tokens=30, input_tokens=5, output_tokens=2))
    usage = completed(await read(claude, request())).usage
    assert usage == TokenUsage(5, 2, cache_read_input_tokens=700, cache_creation_input_tokens=30)

"""Tools that the provider runs itself: their calls and results are part of the answer and go back unchanged."""

from typing import Any

import pytest

from agents.models import Json, TextChunk, ToolUseStarted
from agents.models.anthropic.model import AnthropicModel
from tests.messages_api import MessagesServer, Reply, ToolUse
from tests.support.model_requests import completed, read, read_until_failure, request

SEARCH = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}
CALL = {"type": "server_tool_use", "id": "srvtoolu_01", "name": "web_search", "input": {"query": "the longest river"}}
FOUND = {
    "type": "web_search_tool_result",
    "tool_use_id": "srvtoolu_01",
    "content": [
        {
            "type": "web_search_result",
            "url": "https://example.org/rivers",
            "title": "Rivers",
            "encrypted_content": "RW5jcnlwdGVk",
            "page_age": None,
        }
    ],
}
CITED = {
    "type": "text",
    "text": "It is the Nile.",
    "citations": [
        {
            "type": "web_search_result_location",
            "url": "https://example.org/rivers",
            "title": "Rivers",
            "encrypted_index": "SW5kZXg=",
            "cited_text": "the Nile",
        }
    ],
}
ASKED = {"role": "user", "content": [{"type": "text", "text": "Which river is the longest?"}]}


def answered(*blocks: Any) -> Json:
    return {"role": "assistant", "content": list(blocks)}


async def test_they_are_part_of_the_answer_but_not_ours_to_run(
    claude: AnthropicModel, messages_api: MessagesServer
) -> None:
    messages_api.enqueue(Reply("Let me look.", blocks=[CALL, FOUND, CITED]))
    events = await read(claude, request([ASKED], tools=[SEARCH]))
    assert completed(events).content == [{"type": "text", "text": "Let me look."}, CALL, FOUND, CITED]
    assert [event for event in events if isinstance(event, ToolUseStarted)] == []
    words = "".join(event.text for event in events if isinstance(event, TextChunk))
    assert words == "Let me look.It is the Nile."
    assert messages_api.requests[0].body["tools"][0]["type"] == SEARCH["type"]


async def test_they_go_back_unchanged(claude: AnthropicModel, messages_api: MessagesServer) -> None:
    """The stand-in refuses a result that it has not sent, or not in this form."""
    messages_api.enqueue(Reply(blocks=[CALL, FOUND, CITED]), Reply("About 6,650 km."))
    first = completed(await read(claude, request([ASKED], tools=[SEARCH])))
    history = [ASKED, answered(*first.content), {"role": "user", "content": "How long is it?"}]
    await read(claude, request(history, tools=[SEARCH], stable=3))
    assert messages_api.requests[1].body["messages"][1] == {"role": "assistant", "content": [CALL, FOUND, CITED]}
    assert messages_api.rejections == []


async def test_an_altered_result_is_refused(claude: AnthropicModel, messages_api: MessagesServer) -> None:
    messages_api.enqueue(Reply(blocks=[CALL, FOUND, CITED]))
    await read(claude, request([ASKED], tools=[SEARCH]))
    history = [ASKED, answered(CALL, {**FOUND, "content": []}, CITED), {"role": "user", "content": "Really?"}]
    _, error = await read_until_failure(claude, request(history, tools=[SEARCH]))
    assert error.reason == "invalid_request"
    assert "sent back as it was received" in messages_api.rejections[0]


async def test_a_turn_that_the_provider_has_paused_is_taken_up(
    claude: AnthropicModel, messages_api: MessagesServer
) -> None:
    """The answer so far is the last message; what comes then belongs to it."""
    messages_api.enqueue(Reply("Let me look.", blocks=[CALL], stop_reason="pause_turn"), Reply(blocks=[FOUND, CITED]))
    paused = completed(await read(claude, request([ASKED], tools=[SEARCH])))
    assert paused.stop_reason == "pause_turn"
    rest = completed(await read(claude, request([ASKED, answered(*paused.content)], tools=[SEARCH], stable=2)))
    assert rest.content == [FOUND, CITED]
    whole = [ASKED, answered(*paused.content, *rest.content), {"role": "user", "content": "Thanks."}]
    await read(claude, request(whole, tools=[SEARCH]))
    assert messages_api.rejections == []


async def test_they_may_stand_beside_calls_of_our_own(claude: AnthropicModel, messages_api: MessagesServer) -> None:
    messages_api.enqueue(Reply(blocks=[CALL, FOUND], calls=[ToolUse("note", {"text": "Nile"})]))
    note = {"name": "note", "description": "Note it.", "input_schema": {"type": "object"}}
    events = await read(claude, request([ASKED], tools=[SEARCH, note]))
    assert [event.name for event in events if isinstance(event, ToolUseStarted)] == ["note"]
    assert [block["type"] for block in completed(events).content] == [
        "server_tool_use",
        "web_search_tool_result",
        "tool_use",
    ]


@pytest.mark.parametrize("error_code", ["max_uses_exceeded", "unavailable"])
async def test_a_search_that_failed(claude: AnthropicModel, messages_api: MessagesServer, error_code: str) -> None:
    failed = {**FOUND, "content": {"type": "web_search_tool_result_error", "error_code": error_code}}
    messages_api.enqueue(Reply(blocks=[CALL, failed], text="I could not look."))
    first = completed(await read(claude, request([ASKED], tools=[SEARCH])))
    await read(claude, request([ASKED, answered(*first.content), ASKED], tools=[SEARCH]))
    assert messages_api.rejections == []

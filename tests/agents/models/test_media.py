"""Images and documents of people and of tools reach the provider unchanged."""

import base64
from typing import Any

import pytest

from agents.models import Json
from agents.models.anthropic.model import AnthropicModel
from tests.messages_api import MessagesServer
from tests.support.model_requests import read, read_until_failure, request

DATA = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": DATA}}
LINKED = {"type": "image", "source": {"type": "url", "url": "https://example.org/cat.png"}}
PDF = {
    "type": "document",
    "source": {"type": "base64", "media_type": "application/pdf", "data": base64.b64encode(b"%PDF-1.7").decode()},
    "title": "A report",
    "citations": {"enabled": True},
}
TEXT = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "All of it."}}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}
QUESTION = {"type": "text", "text": "What is it?"}


def from_person(block: Any) -> list[Json]:
    return [{"role": "user", "content": [block, QUESTION]}]


def from_tool(block: Any) -> list[Json]:
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [block, {"type": "text", "text": "There."}]}
    turns = [("user", [QUESTION]), ("assistant", [CALL]), ("user", [result])]
    return [{"role": role, "content": content} for role, content in turns]


@pytest.mark.parametrize("block", [IMAGE, LINKED, PDF, TEXT], ids=["image", "linked", "pdf", "text"])
@pytest.mark.parametrize("place", [from_person, from_tool])
async def test_they_pass(claude: AnthropicModel, messages_api: MessagesServer, place: Any, block: Json) -> None:
    messages = place(block)
    await read(claude, request(messages))
    assert messages_api.requests[0].body["messages"] == messages


@pytest.mark.parametrize(
    "block",
    [
        pytest.param({"type": "image", "source": {**IMAGE["source"], "media_type": "image/tiff"}}, id="media type"),
        pytest.param({"type": "image", "source": {**IMAGE["source"], "data": "not base64!"}}, id="base64"),
        pytest.param({"type": "image", "source": {"type": "path", "path": "/cat.png"}}, id="source"),
        pytest.param({"type": "document", "source": IMAGE["source"]}, id="an image is no document"),
        pytest.param({**IMAGE, "alt": "a cat"}, id="our own field"),
    ],
)
@pytest.mark.parametrize("place", [from_person, from_tool])
async def test_the_provider_refuses_what_it_cannot_read(claude: AnthropicModel, place: Any, block: Json) -> None:
    _, error = await read_until_failure(claude, request(place(block)))
    assert error.reason == "invalid_request"


async def test_a_large_image(claude: AnthropicModel, messages_api: MessagesServer) -> None:
    data = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(5 * 1024 * 1024)).decode()
    large = {"type": "image", "source": {**IMAGE["source"], "data": data}}
    await read(claude, request(from_person(large)))
    assert messages_api.requests[0].body["messages"][0]["content"][0] == large

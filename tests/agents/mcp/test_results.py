"""What a server returns, and what the model reads of it."""

from typing import Any

import pytest
from mcp_types import CallToolResult

from agents.errors import ToolError
from agents.mcp.results import content_of


def result(*content: dict[str, Any], **fields: Any) -> CallToolResult:
    return CallToolResult.model_validate({"content": list(content), **fields})


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


IMAGE = {"type": "image", "data": "aGk=", "mimeType": "image/png"}
SHOWN = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (result(), None),
        (result(text("hi")), "hi"),
        (result(text("hi"), text("ho")), [text("hi"), text("ho")]),
        (result(IMAGE), [SHOWN]),
        (result(text("look:"), IMAGE), [text("look:"), SHOWN]),
        (
            result({**IMAGE, "mimeType": "image/tiff"}),
            "[image left out: image/tiff cannot be shown to the model]",
        ),
        (
            result({"type": "audio", "data": "aGk=", "mimeType": "audio/wav"}),
            "[sound left out: audio/wav cannot be shown to the model]",
        ),
        (result({"type": "resource_link", "name": "a.txt", "uri": "file:///a.txt"}), "[a.txt: file:///a.txt]"),
        (
            result({"type": "resource", "resource": {"uri": "file:///a.txt", "text": "hi"}}),
            "file:///a.txt:\nhi",
        ),
        (
            result({"type": "resource", "resource": {"uri": "x:y", "blob": "aGk=", "mimeType": "application/pdf"}}),
            [{"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "aGk="}}],
        ),
        (
            result({"type": "resource", "resource": {"uri": "x:y", "blob": "aGk="}}),
            "[file x:y left out: application/octet-stream cannot be shown to the model]",
        ),
    ],
)
def test_content(given: CallToolResult, read: Any) -> None:
    assert content_of(given) == read


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (result(structuredContent={"a": "ä"}), '{"a": "ä"}'),
        (result(text('{"a":1}'), structuredContent={"a": 1}), '{"a":1}'),
        (result(text("3"), structuredContent={"result": 3}), "3"),
        (result(text("three"), structuredContent={"result": "three"}), "three"),
        (result(text("1"), text("b"), structuredContent={"result": [1, "b"]}), [text("1"), text("b")]),
        (result(structuredContent={"result": None}), None),
        (result(text("Fine."), structuredContent={"a": 1}), [text("Fine."), text('{"a": 1}')]),
        (result(IMAGE, structuredContent={"a": 1}), [SHOWN, text('{"a": 1}')]),
    ],
)
def test_structured_content_is_read_once(given: CallToolResult, read: Any) -> None:
    assert content_of(given) == read


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (result(text("No such file."), isError=True), "No such file."),
        (result(text("a"), IMAGE, text("b"), isError=True), "a\nb"),
        (result(isError=True), "The tool reported an error without a word about it."),
    ],
)
def test_errors(given: CallToolResult, message: str) -> None:
    with pytest.raises(ToolError) as raised:
        content_of(given)
    assert raised.value.message == message

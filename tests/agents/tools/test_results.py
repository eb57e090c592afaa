"""Results: texts, JSON, images and documents; the log can hold the outcome of any result."""

import threading
from base64 import b64encode
from functools import reduce
from typing import Any

import orjson
import pytest

from agents.codec import decode, encode
from agents.errors import ToolError
from agents.tools import Document, Image, ToolContext, ToolOutcome, outcome, run_tool, tool
from agents.turn.events import ToolResult
from store import Record

CONTEXT = ToolContext("conversation-1", "call-1", 3, "ada")
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
SURROGATE = "half a character: \ud83d"


async def given(value: Any) -> ToolOutcome:
    @tool
    async def give() -> Any:
        """Give the value."""
        if isinstance(value, BaseException):
            raise value
        return value

    return await run_tool(give, {}, CONTEXT)


def picture(data: bytes, media_type: str = "image/png") -> dict[str, Any]:
    source = {"type": "base64", "media_type": media_type, "data": b64encode(data).decode()}
    return {"type": "image", "source": source}


def words(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


@pytest.mark.parametrize(
    ("value", "blocks"),
    [
        (Image(PNG), [picture(PNG)]),
        ([Image(PNG, "image/jpeg")], [picture(PNG)]),  # providers refuse a media type that the bytes do not have
        (["Two of them:", Image(PNG), Image(PNG)], [words("Two of them:"), picture(PNG), picture(PNG)]),
        ((words("One:"), Image(PNG)), [words("One:"), picture(PNG)]),
        ([picture(PNG)], [picture(PNG)]),
        (
            Document(b"%PDF-1.7", title="Report"),
            [
                {
                    "type": "document",
                    "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0xLjc="},
                    "title": "Report",
                }
            ],
        ),
        (
            Document("Grüße".encode(), "text/plain"),
            [{"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Grüße"}}],
        ),
    ],
)
async def test_pictures_and_documents(value: Any, blocks: list[dict[str, Any]]) -> None:
    assert await given(value) == ToolOutcome(blocks)


async def test_a_list_of_texts_is_json() -> None:
    assert await given(["a", "b"]) == ToolOutcome('["a","b"]')


def test_pictures_and_documents_of_a_type_that_no_model_reads() -> None:
    with pytest.raises(ValueError, match="media_type is one of image/jpeg"):
        Image(PNG, "image/tiff")
    with pytest.raises(ValueError, match="media_type is one of application/pdf"):
        Document(b"", "application/msword")


@pytest.mark.parametrize(
    ("block", "problem"),
    [
        ({"type": "text"}, "a block of type 'text' lacks what belongs to it"),
        ({"type": "text", "text": 7}, "a block of type 'text' lacks"),
        ({"type": "image", "data": "..."}, "a block of type 'image' lacks"),
        (picture(b""), "image is empty"),
        ({"type": "image", "source": {"type": "path", "path": "a.png"}}, "image has an unknown source 'path'"),
    ],
)
async def test_blocks_that_every_later_request_would_be_refused_for(block: Any, problem: str) -> None:
    found = await given([block])
    assert (found.status, problem in str(found.content)) == ("error", True)


async def test_blocks_without_words_are_left_out() -> None:
    assert await given([words("a"), words(" "), words("")]) == ToolOutcome([words("a")])
    assert await given(["", Image(PNG)]) == ToolOutcome([picture(PNG)])
    assert await given([words("")]) == ToolOutcome("")


async def test_something_else_among_blocks() -> None:
    found = await given([Image(PNG), 7])
    assert found == ToolOutcome("give finished, but its result cannot be shown: int is no block.", "error")


NOT_JSON = {
    "a large integer in a block": [{**words("a"), "n": 2**64}],
    "no number in a block": [{**words("a"), "n": float("nan")}],
    "half a character in a block": [words(SURROGATE)],
    "half a character in a key": [{**words("a"), SURROGATE: 1}],
    "bytes in a block": [{**words("a"), "n": b"\xff"}],
    "an object in a block": [{**words("a"), "n": object()}],
    "depth in a block": [{**words("a"), "n": reduce(lambda inner, _: [inner], range(400), 1)}],
    "a number that is none": float("nan"),
    "infinity": {"n": [float("inf")]},
    "half a character": SURROGATE,
    "half a character in JSON": {"text": SURROGATE},
    "bytes": b"plain",
    "bytes that are no text": b"\xff",
    "a bytearray": bytearray(b"plain"),
    "a lock": threading.Lock(),
}


@pytest.mark.parametrize("value", NOT_JSON.values(), ids=NOT_JSON)
async def test_what_cannot_be_written(value: Any) -> None:
    found = await given(value)
    assert found.status == "error"
    assert str(found.content).startswith("give finished, but its result cannot be written as JSON (")


class Hostile:
    """Raises when it is printed."""

    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__


ODD = {
    **NOT_JSON,
    "a large integer": 2**64,
    "an object": object(),
    "a class": dict,
    "a generator": (number for number in range(3)),
    "a picture": Image(PNG),
    "keys of all kinds": {None: 1, 2: 3, (4, 5): 6},
    "something hostile": Hostile(),
    "an error with half a character": ToolError(SURROGATE),
    "an error without end": ToolError("x" * 10**6),
    "an error that is no text": ToolError(NotImplemented),  # type: ignore[arg-type]
    "an error of its own": ValueError(SURROGATE),
    "an exit": SystemExit(SURROGATE),
    "a group": BaseExceptionGroup("several", [KeyboardInterrupt()]),
}


@pytest.mark.parametrize("value", ODD.values(), ids=ODD)
async def test_the_log_can_hold_whatever_becomes_of_a_call(value: Any) -> None:
    found = await given(value)
    event = ToolResult(turn=1, tool_call_id="call-1", content=found.content, status=found.status)
    stored = orjson.dumps(encode(event, 0))
    assert decode(Record(1, stored)).event == event
    assert len(stored) < outcome.MAX_BYTES


@pytest.mark.parametrize("arguments", [{SURROGATE: 1}, {"n": SURROGATE}, {"n": 2**70}, {"x" * 10**6: 1}])
async def test_the_log_can_hold_what_is_said_of_bad_arguments(arguments: dict[str, Any]) -> None:
    @tool
    async def act(n: bool) -> None:
        """Act."""

    found = await run_tool(act, arguments, CONTEXT)
    assert found.status == "error"
    assert len(orjson.dumps(found.content)) < outcome.MAX_BYTES


@pytest.mark.parametrize(
    "value",
    [
        Image(b"<svg/>"),
        [words("Here:"), picture(b"<svg/>")],
        {**picture(PNG), "source": {**picture(PNG)["source"], "data": "no base64!"}},
        Document(PNG),
    ],
    ids=["image", "block", "base64", "document"],
)
async def test_what_is_no_image_and_no_document_is_an_error(value: Any) -> None:
    found = await given(value if not isinstance(value, dict) else [value])
    assert found.status == "error"
    assert "cannot be shown: " in str(found.content)


async def test_media_may_be_larger_than_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcome, "MAX_BYTES", 100)
    monkeypatch.setattr(outcome, "MAX_BYTES_WITH_MEDIA", 400)
    assert (await given(Image(PNG[:8] + bytes(142)))).status == "ok"
    assert str((await given(Image(PNG[:8] + bytes(292)))).content).endswith("and 400 are allowed. Ask for less.")
    assert str((await given([words("x" * 100)])).content).endswith("and 100 are allowed. Ask for less.")

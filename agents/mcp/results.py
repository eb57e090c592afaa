"""Turns the result of an MCP server into the content that the model reads."""

import json
from collections.abc import Sequence

from mcp_types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
)

from agents.errors import ToolError
from agents.models.protocol import Json

IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
DOCUMENT = "application/pdf"


def content_of(result: CallToolResult) -> str | list[Json] | None:
    """A text, content blocks, or None for an empty result; raises ToolError when the tool reports an error."""
    if result.is_error:
        raise ToolError(_texts(result.content) or "The tool reported an error without a word about it.")
    blocks = [_block(content) for content in result.content]
    data = result.structured_content
    if data not in (None, {"result": None}) and not _repeats(result.content, data):
        blocks.append(_text(json.dumps(data, ensure_ascii=False)))
    if not blocks:
        return None
    if len(blocks) == 1 and blocks[0]["type"] == "text":
        return str(blocks[0]["text"])
    return blocks


def _block(content: ContentBlock) -> Json:
    match content:
        case TextContent():
            return _text(content.text)
        case ImageContent():
            return _media("image", content.mime_type, content.data)
        case ResourceLink():
            return _text(f"[{content.title or content.name}: {content.uri}]")
        case EmbeddedResource(resource=BlobResourceContents() as resource):
            return _media(f"file {resource.uri}", resource.mime_type or "application/octet-stream", resource.blob)
        case EmbeddedResource(resource=TextResourceContents() as resource):
            return _text(f"{resource.uri}:\n{resource.text}")
        case AudioContent():
            return _omitted("sound", content.mime_type)
        case _:
            raise TypeError(f"{type(content).__name__} is no content of a tool's result")


def _media(what: str, mime_type: str, data: str) -> Json:
    source = {"type": "base64", "media_type": mime_type, "data": data}
    if mime_type in IMAGES:
        return {"type": "image", "source": source}
    if mime_type == DOCUMENT:
        return {"type": "document", "source": source}
    return _omitted(what, mime_type)


def _omitted(what: str, mime_type: str) -> Json:
    return _text(f"[{what} left out: {mime_type} cannot be shown to the model]")


def _text(text: str) -> Json:
    return {"type": "text", "text": text}


def _texts(contents: Sequence[ContentBlock]) -> str:
    return "\n".join(content.text for content in contents if isinstance(content, TextContent) and content.text)


def _repeats(contents: Sequence[ContentBlock], structured: object) -> bool:
    """Whether the texts hold the structured content already: servers repeat it there for older clients.

    The SDK wraps a value that is no object in `{"result": value}`, and writes a list as one text per item.
    """
    texts = [content.text for content in contents if isinstance(content, TextContent)]
    values = [_parsed(text) for text in texts]
    candidates: list[object] = [values, *values, texts, *texts]
    return any(structured in (value, {"result": value}) for value in candidates)


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text

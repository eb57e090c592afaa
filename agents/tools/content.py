"""Content blocks of a tool's result: images and documents from bytes, and the check of what a provider accepts."""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")
DOCUMENT_TYPES = ("application/pdf", "text/plain")
BLOCK_TYPES = ("text", "image", "document", "search_result")
SOURCES = ("base64", "url", "file", "text", "content")


@dataclass(frozen=True, slots=True)
class Image:
    """An image that a tool returns, alone or in a list with texts and other blocks."""

    data: bytes
    media_type: str = "image/png"

    def __post_init__(self) -> None:
        if self.media_type not in IMAGE_TYPES:
            raise ValueError(f"media_type is one of {', '.join(IMAGE_TYPES)}, not {self.media_type!r}")

    def block(self) -> dict[str, Any]:
        """Its content block of the Messages API."""
        return {"type": "image", "source": _base64(self.media_type, self.data)}


@dataclass(frozen=True, slots=True)
class Document:
    """A document that a tool returns: a PDF, or plain text in UTF-8."""

    data: bytes
    media_type: str = "application/pdf"
    title: str | None = None

    def __post_init__(self) -> None:
        if self.media_type not in DOCUMENT_TYPES:
            raise ValueError(f"media_type is one of {', '.join(DOCUMENT_TYPES)}, not {self.media_type!r}")

    def block(self) -> dict[str, Any]:
        """Its content block of the Messages API."""
        if self.media_type == "text/plain":
            source = {"type": "text", "media_type": self.media_type, "data": self.data.decode()}
        else:
            source = _base64(self.media_type, self.data)
        title = {} if self.title is None else {"title": self.title}
        return {"type": "document", "source": source, **title}


def blocks_in(result: object) -> list[Any] | None:
    """The content blocks that a tool returned; None if the result is something else, a text or a value for JSON."""
    parts = result if isinstance(result, list | tuple) else [result]
    if any(isinstance(part, Image | Document) for part in parts):
        return [_as_block(part) for part in parts]
    if isinstance(result, list) and result and all(_is_block(part) for part in result):
        return result
    return None


def problem_of(block: Mapping[str, Any]) -> str | None:
    """Why no provider accepts the block, None if it is fine. Once stored, it would break every later request."""
    match block:
        case {"type": "text", "text": str()}:
            return None
        case {"type": "image" | "document" as kind, "source": {"type": "base64", "data": ""}}:
            return f"{kind} is empty"
        case {"type": "image" | "document" as kind, "source": {"type": str(source)}}:
            return None if source in SOURCES else f"{kind} has an unknown source {source!r}"
        case {"type": "search_result", "source": str(), "title": str(), "content": list()}:
            return None
    return f"a block of type {str(block.get('type'))[:40]!r} lacks what belongs to it"


def is_blank(block: object) -> bool:
    """Whether the block is a text without words: providers refuse it, so it is left out."""
    return isinstance(block, dict) and block.get("type") == "text" and not str(block.get("text", "-")).strip()


def _as_block(part: object) -> Any:  # noqa: ANN401 - a block, or a mistake that `problem_of` finds
    if isinstance(part, Image | Document):
        return part.block()
    return {"type": "text", "text": part} if isinstance(part, str) else part


def _is_block(part: object) -> bool:
    return isinstance(part, dict) and part.get("type") in BLOCK_TYPES


def _base64(media_type: str, data: bytes) -> dict[str, str]:
    return {"type": "base64", "media_type": media_type, "data": b64encode(data).decode()}

"""Content blocks of a tool's result: images and documents from bytes, and the check of what a provider accepts."""

import binascii
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")
DOCUMENT_TYPES = ("application/pdf", "text/plain")
BLOCK_TYPES = ("text", "image", "document", "search_result")
SIGNATURES = (
    ("image/png", b"\x89PNG\r\n\x1a\n", b""),
    ("image/jpeg", b"\xff\xd8\xff", b""),
    ("image/gif", b"GIF87a", b""),
    ("image/gif", b"GIF89a", b""),
    ("image/webp", b"RIFF", b"WEBP"),
)
"""How the bytes of an image begin, and what they have at the ninth byte."""
MAX_PDF_PREFIX = 1024
"""Within so many bytes a PDF says that it is one."""
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


def with_true_type(block: Any) -> Any:  # noqa: ANN401 - a block, or a mistake that `problem_of` finds
    """The block with the media type that its bytes have, if it is an image that was given another one."""
    match block:
        case {"type": "image", "source": {"type": "base64", "data": str(data), "media_type": declared} as source}:
            found = _image_type(_head_of(data))
            return block if found in (None, declared) else {**block, "source": {**source, "media_type": found}}
    return block


def problem_of_bytes(block: Mapping[str, Any]) -> str | None:
    """Why no provider can read the image or document, by its first bytes; None if it can, or if they are elsewhere."""
    match block:
        case {"type": "image", "source": {"type": "base64", "data": str(data), "media_type": declared}}:
            return None if _image_type(_head_of(data)) == declared else f"the bytes of the image are not {declared}"
        case {"type": "document", "source": {"type": "base64", "data": str(data), "media_type": "application/pdf"}}:
            return None if b"%PDF" in _head_of(data) else "the bytes of the document are no PDF"
    return None


def problem_of(block: Mapping[str, Any]) -> str | None:
    """Why no provider accepts the block, None if it is fine. Once stored, it would break every later request."""
    return _problem_of_shape(block) or problem_of_bytes(block)


def _problem_of_shape(block: Mapping[str, Any]) -> str | None:
    match block:
        case {"type": "text", "text": str()}:
            return None
        case {"type": "image" | "document" as kind, "source": {"type": "base64", "data": ""}}:
            return f"{kind} is empty"
        case {"type": "image" | "document" as kind, "source": {"type": "base64", "data": str(data)}} if not _is_base64(
            data
        ):
            return f"{kind} is no base64"
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


def _is_base64(data: str) -> bool:
    try:
        b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _head_of(data: str) -> bytes:
    """The first bytes of what is in base64; none if it is no base64."""
    try:
        return b64decode(data[: MAX_PDF_PREFIX * 4 // 3 // 4 * 4])
    except (binascii.Error, ValueError):
        return b""


def _image_type(head: bytes) -> str | None:
    found = (kind for kind, begin, ninth in SIGNATURES if head.startswith(begin) and head[8:].startswith(ninth))
    return next(found, None)

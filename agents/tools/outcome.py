"""Turns what a tool returned into what the model reads, and what the log can hold."""

import json
from collections.abc import Sequence
from typing import Any

import orjson
from pydantic_core import PydanticSerializationError, to_jsonable_python

from agents.tools.content import blocks_in, flaw_of, is_blank
from agents.tools.tool import ToolOutcome

MAX_BYTES = 256 * 1024
MAX_BYTES_WITH_MEDIA = 5 * 1024 * 1024
MAX_SAID = 8_000

# ValueError: circular, not a number, or a lone surrogate. TypeError: orjson's, of what no JSON of ours can hold.
_UNWRITABLE = (PydanticSerializationError, ValueError, TypeError, RecursionError)


def outcome_of(tool_name: str, result: object) -> ToolOutcome:
    """Text stays text, content blocks stay blocks, every other value becomes JSON; too much is an error."""
    try:
        content = _content(result)
        size = len(content.encode()) if isinstance(content, str) else len(orjson.dumps(content))
    except _UNWRITABLE:
        return _flawed(tool_name, f"cannot be written as JSON ({type(result).__name__})")
    if not isinstance(content, str) and (flaw := _flaw(content)) is not None:
        return _flawed(tool_name, f"cannot be shown: {flaw}")
    allowed = MAX_BYTES if _is_text(content) else MAX_BYTES_WITH_MEDIA
    if size > allowed:
        return _flawed(tool_name, f"has {size} bytes and {allowed} are allowed. Ask for less")
    return ToolOutcome(content)


def said(message: object) -> str:
    """A sentence of foreign code as the log can hold it: encodable, and of bounded length."""
    words = str(message).encode(errors="replace").decode()
    return words if len(words) <= MAX_SAID else f"{words[:MAX_SAID]}…"


def _content(result: object) -> str | list[dict[str, Any]]:
    if result is None:
        return "Done."
    if isinstance(result, str):
        return str(result)
    if isinstance(result, bytes | bytearray | memoryview):
        raise TypeError("bytes are no text: whether they could be decoded would depend on the day")
    if (blocks := blocks_in(result)) is not None:
        plain = to_jsonable_python(blocks)
        json.dumps(plain, allow_nan=False)  # orjson would store null for what is not a number
        return [block for block in orjson.loads(orjson.dumps(plain)) if not is_blank(block)] or ""
    return json.dumps(to_jsonable_python(result), allow_nan=False, ensure_ascii=False, separators=(",", ":"))


def _flaw(blocks: Sequence[Any]) -> str | None:
    found = (flaw_of(block) if isinstance(block, dict) else f"{type(block).__name__} is no block" for block in blocks)
    return next((flaw for flaw in found if flaw is not None), None)


def _is_text(content: str | list[dict[str, Any]]) -> bool:
    return isinstance(content, str) or all(block["type"] == "text" for block in content)


def _flawed(tool_name: str, problem: str) -> ToolOutcome:
    return ToolOutcome(f"{tool_name} finished, but its result {problem}.", "error")

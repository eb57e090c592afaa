"""Turns the value that a tool returned into a result that the model can read and the log can hold."""

import json
from collections.abc import Sequence
from typing import Any

import orjson
from pydantic_core import PydanticSerializationError, to_jsonable_python

from agents.storable import storable_text
from agents.tools.content import blocks_in, is_blank, problem_of, with_true_type
from agents.tools.tool import ToolOutcome

MAX_BYTES = 256 * 1024
MAX_BYTES_WITH_MEDIA = 5 * 1024 * 1024
MAX_TEXT = 8_000

# ValueError: circular, not a number, or a lone surrogate. TypeError: from orjson, for a value that JSON cannot hold.
_UNWRITABLE = (PydanticSerializationError, ValueError, TypeError, RecursionError)


def outcome_of(tool_name: str, result: object) -> ToolOutcome:
    """Text stays text, content blocks stay blocks, every other value becomes JSON; too large a result is an error."""
    try:
        content = _content(result)
        size = len(content.encode()) if isinstance(content, str) else len(orjson.dumps(content))
    except _UNWRITABLE:
        return _error(tool_name, f"cannot be written as JSON ({type(result).__name__})")
    if not isinstance(content, str) and (problem := _first_problem(content)) is not None:
        return _error(tool_name, f"cannot be shown: {problem}")
    allowed = MAX_BYTES if _is_text(content) else MAX_BYTES_WITH_MEDIA
    if size > allowed:
        return _error(tool_name, f"has {size} bytes and {allowed} are allowed. Ask for less")
    return ToolOutcome(content)


def bounded_text(message: object) -> str:
    """A message of foreign code that the log can hold: encodable as UTF-8, and of bounded length."""
    text = storable_text(message)
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}…"


def _content(result: object) -> str | list[dict[str, Any]]:
    if result is None:
        return "Done."
    if isinstance(result, str):
        return str(result)
    if isinstance(result, bytes | bytearray | memoryview):
        raise TypeError("bytes are no text: whether they can be decoded would differ from call to call")
    if (blocks := blocks_in(result)) is not None:
        plain = to_jsonable_python(blocks)
        json.dumps(plain, allow_nan=False)  # orjson would store null for NaN and infinity
        return [with_true_type(block) for block in orjson.loads(orjson.dumps(plain)) if not is_blank(block)] or ""
    return json.dumps(to_jsonable_python(result), allow_nan=False, ensure_ascii=False, separators=(",", ":"))


def _first_problem(blocks: Sequence[Any]) -> str | None:
    found = (
        problem_of(block) if isinstance(block, dict) else f"{type(block).__name__} is no block" for block in blocks
    )
    return next((problem for problem in found if problem is not None), None)


def _is_text(content: str | list[dict[str, Any]]) -> bool:
    return isinstance(content, str) or all(block["type"] == "text" for block in content)


def _error(tool_name: str, problem: str) -> ToolOutcome:
    return ToolOutcome(f"{tool_name} finished, but its result {problem}.", "error")

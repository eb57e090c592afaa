"""Turns what a tool returned into what the model reads."""

from typing import Any

from pydantic_core import PydanticSerializationError, to_json, to_jsonable_python

from agents.tools.tool import ToolOutcome

MAX_BYTES = 256 * 1024
BLOCK_TYPES = frozenset({"text", "image", "document", "search_result"})


def outcome_of(tool_name: str, result: object) -> ToolOutcome:
    """Text stays text, content blocks stay blocks, every other value becomes JSON; too much is an error."""
    try:
        content = _content(result)
        size = len(content.encode()) if isinstance(content, str) else len(to_json(content))
    except (
        PydanticSerializationError,
        ValueError,
        RecursionError,
    ):  # ValueError: circular, or a lone surrogate
        problem = f"cannot be written as JSON ({type(result).__name__})"
        return ToolOutcome(f"{tool_name} finished, but its result {problem}.", "error")
    if size > MAX_BYTES:
        problem = f"has {size} bytes and {MAX_BYTES} are allowed. Ask for less"
        return ToolOutcome(f"{tool_name} finished, but its result {problem}.", "error")
    return ToolOutcome(content)


def _content(result: object) -> str | list[dict[str, Any]]:
    if result is None:
        return "Done."
    if isinstance(result, str):
        return str(result)
    if _is_blocks(result):
        blocks: list[dict[str, Any]] = to_jsonable_python(result)
        return blocks
    return to_json(result).decode()


def _is_blocks(result: object) -> bool:
    return (
        isinstance(result, list)
        and bool(result)
        and all(isinstance(block, dict) and block.get("type") in BLOCK_TYPES for block in result)
    )

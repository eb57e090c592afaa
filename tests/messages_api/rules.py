"""The provider's rules for a request; breaking one gets a 400 invalid_request_error, as from the provider."""

import re
from collections.abc import Sequence
from typing import Any

from tests.messages_api.reply import Json

IDENTIFIER = re.compile(r"[a-zA-Z0-9_-]+")
BLOCK_FIELDS = {
    "text": {"type", "text", "citations", "cache_control"},
    "tool_use": {"type", "id", "name", "input", "cache_control", "caller", "toolset_name"},
    "tool_result": {"type", "tool_use_id", "content", "is_error", "cache_control", "toolset_name"},
    "thinking": {"type", "thinking", "signature"},
}


class InvalidRequestError(Exception):
    """The request breaks a rule of the provider."""


def check_request(body: Any) -> None:
    """Raise InvalidRequestError with the provider's kind of sentence when a rule is broken."""
    _require(isinstance(body, dict), "the body must be an object")
    _require(isinstance(body.get("model"), str) and body["model"], "model: field required")
    _require(isinstance(body.get("max_tokens"), int) and body["max_tokens"] > 0, "max_tokens: must be positive")
    messages = body.get("messages")
    _require(isinstance(messages, list) and messages, "messages: at least one message is required")
    _check_tools(body.get("tools") or [])
    _check_order(messages)
    pending: set[str] = set()
    for position, message in enumerate(messages):
        pending = _check_message(message, f"messages.{position}", pending)
    _require(not pending, f"messages: tool_use ids without tool_result at the end: {sorted(pending)}")


def _check_tools(tools: Sequence[Json]) -> None:
    names = [tool.get("name") for tool in tools]
    _require(len(set(names)) == len(names), "tools: tool names must be unique")
    for tool in tools:
        _require(isinstance(tool.get("name"), str) and IDENTIFIER.fullmatch(tool["name"]), "tools: bad name")
        typed = "type" in tool and tool["type"] != "custom"
        _require(
            typed or tool.get("input_schema", {}).get("type") == "object",
            "tools: input_schema: not an object",
        )


def _check_order(messages: Sequence[Json]) -> None:
    for position, message in enumerate(messages):
        expected = "user" if position % 2 == 0 else "assistant"
        _require(isinstance(message, dict), f"messages.{position}: not an object")
        _require(message.get("role") == expected, f"messages.{position}: roles must alternate, starting with user")
        extra = set(message) - {"role", "content"}
        _require(not extra, f"messages.{position}: extra inputs are not permitted: {sorted(extra)}")


def _check_message(message: Json, where: str, pending: set[str]) -> set[str]:
    """The ids of the calls in this message; `pending` are those that it has to answer."""
    content: Any = message.get("content")
    if isinstance(content, str):
        _require(content, f"{where}: text content must be non-empty")
        _require(not pending, f"{where}: tool_use ids without tool_result: {sorted(pending)}")
        return set()
    _require(isinstance(content, list) and content, f"{where}: content must be non-empty")
    for block in content:
        _check_block(block, where)
    results = [block["tool_use_id"] for block in content if block["type"] == "tool_result"]
    calls = [block["id"] for block in content if block["type"] == "tool_use"]
    _require(len(set(results)) == len(results), f"{where}: each tool_use must have a single result")
    _require(set(results) <= pending, f"{where}: unexpected tool_use_id in tool_result: {results}")
    _require(pending <= set(results), f"{where}: tool_use ids without tool_result: {sorted(pending)}")
    _require(len(set(calls)) == len(calls), f"{where}: tool_use ids must be unique")
    first = [block["type"] for block in content[: len(results)]]
    _require(set(first) <= {"tool_result"}, f"{where}: tool_result blocks must come first")
    return set(calls)


def _check_block(block: Any, where: str) -> None:
    _require(isinstance(block, dict) and isinstance(block.get("type"), str), f"{where}: a block needs a type")
    known = BLOCK_FIELDS.get(block["type"])
    _require(known is None or set(block) <= known, f"{where}: extra inputs are not permitted: {sorted(block)}")
    match block["type"]:
        case "text":
            _require(block.get("text"), f"{where}: text content blocks must be non-empty")
        case "tool_use":
            _require(IDENTIFIER.fullmatch(str(block.get("id", ""))), f"{where}: tool_use.id: bad pattern")
            _require(isinstance(block.get("input"), dict), f"{where}: tool_use.input: must be an object")
        case "tool_result":
            bad = f"{where}: tool_result.tool_use_id: bad pattern"
            _require(IDENTIFIER.fullmatch(str(block.get("tool_use_id", ""))), bad)


def _require(condition: object, message: str) -> None:
    if not condition:
        raise InvalidRequestError(message)

"""The provider's rules for a request; a broken one gets a 400 invalid_request_error, as from the provider."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from tests.messages_api.blocks import IDENTIFIER, check_block, check_server_calls
from tests.messages_api.invalid import InvalidRequestError, require
from tests.messages_api.reply import Json
from tests.messages_api.settings import check_markers, check_output, check_thinking

__all__ = ["InvalidRequestError", "check_headers", "check_request", "check_size", "size_of"]

PROPERTY_KEY = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
COMBINATORS = {"oneOf", "allOf", "anyOf"}
BINDING_BETA = "thinking-binding-controls-2026-08-01"


def check_request(body: Any) -> None:
    """Raise InvalidRequestError with the provider's kind of sentence when a rule is broken."""
    require(isinstance(body, dict), "the body must be an object")
    require(isinstance(body.get("model"), str) and body["model"], "model: field required")
    require(isinstance(body.get("max_tokens"), int) and body["max_tokens"] > 0, "max_tokens: must be positive")
    messages = body.get("messages")
    require(isinstance(messages, list) and messages, "messages: at least one message is required")
    _check_tools(body.get("tools") or [])
    _check_order(messages)
    pending: set[str] = set()
    for position, message in enumerate(messages):
        last = position == len(messages) - 1
        pending = _check_message(message, f"messages.{position}", pending, last=last)
    require(not pending, f"messages: tool_use ids without tool_result at the end: {sorted(pending)}")
    check_thinking(body)
    check_output(body)
    check_markers(body)


def check_size(body: Json, window: int, picture: int = 1_600) -> None:
    """Check that the model can read it all."""
    tokens = size_of(body, picture)
    require(tokens <= window, f"prompt is too long: {tokens} tokens > {window} maximum")


def size_of(body: Json, picture: int = 1_600) -> int:
    """The tokens of a request: four letters of ours are one, as is each of other scripts; a picture has so many."""
    return _tokens([body.get("tools") or [], body.get("system") or "", body["messages"]], picture) // 4


def _tokens(value: Any, picture: int) -> int:
    """In quarters."""
    match value:
        case str():
            return sum(1 if character.isascii() else 4 for character in value) if not value.isascii() else len(value)
        case {"type": "image" | "document", "source": {"type": "base64" | "url" | "file"}}:
            return 4 * picture
        case dict():
            return sum(_tokens(part, picture) for part in value.values())
        case list():
            return sum(_tokens(part, picture) for part in value)
    return 1


def check_headers(body: Json, headers: Mapping[str, str]) -> None:
    """Check that a beta feature is asked for in the headers."""
    controls = "block_binding" in (body.get("thinking") or {})
    asked = BINDING_BETA in headers.get("anthropic-beta", "").split(",")
    require(asked or not controls, f"thinking.block_binding: requires `{BINDING_BETA}` in the `anthropic-beta` header")


def _check_tools(tools: Sequence[Json]) -> None:
    names = [tool.get("name") for tool in tools]
    require(len(set(names)) == len(names), "tools: tool names must be unique")
    for position, tool in enumerate(tools):
        require(isinstance(tool.get("name"), str) and IDENTIFIER.fullmatch(tool["name"]), "tools: bad name")
        typed = "type" in tool and tool["type"] != "custom"
        require(
            typed or tool.get("input_schema", {}).get("type") == "object",
            "tools: input_schema: not an object",
        )
        _check_schema(tool.get("input_schema") or {}, f"tools.{position}.custom.input_schema")


def _check_schema(schema: Json, where: str) -> None:
    """The rules for the root of a schema; anything is taken below it."""
    simple = COMBINATORS.isdisjoint(schema)
    require(simple, f"{where}: input_schema does not support oneOf, allOf, or anyOf at the top level")
    keys = schema.get("properties") or {}
    valid = True
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError:
        valid = False
    draft = "JSON Schema draft 2020-12 (https://json-schema.org/draft/2020-12)"
    require(valid, f"{where}: JSON schema is invalid. It must match {draft}.")
    allowed = all(PROPERTY_KEY.fullmatch(key) for key in keys)
    require(allowed, f"{where}.properties: Property keys should match pattern '^{PROPERTY_KEY.pattern}$'")


def _check_order(messages: Sequence[Json]) -> None:
    for position, message in enumerate(messages):
        expected = "user" if position % 2 == 0 else "assistant"
        require(isinstance(message, dict), f"messages.{position}: not an object")
        require(message.get("role") == expected, f"messages.{position}: roles must alternate, starting with user")
        extra = set(message) - {"role", "content"}
        require(not extra, f"messages.{position}: extra inputs are not permitted: {sorted(extra)}")


def _check_message(message: Json, where: str, pending: set[str], *, last: bool) -> set[str]:
    """The ids of the calls in this message; `pending` are the calls that it has to answer."""
    content: Any = message.get("content")
    if isinstance(content, str):
        require(content, f"{where}: text content must be non-empty")
        require(not pending, f"{where}: tool_use ids without tool_result: {sorted(pending)}")
        return set()
    require(isinstance(content, list) and content, f"{where}: content must be non-empty")
    for position, block in enumerate(content):
        check_block(block, f"{where}.content.{position}", message["role"])
    check_server_calls(content, where, last=last)
    results = [block["tool_use_id"] for block in content if block["type"] == "tool_result"]
    calls = [block["id"] for block in content if block["type"] == "tool_use"]
    require(len(set(results)) == len(results), f"{where}: each tool_use must have a single result")
    require(set(results) <= pending, f"{where}: unexpected tool_use_id in tool_result: {results}")
    require(pending <= set(results), f"{where}: tool_use ids without tool_result: {sorted(pending)}")
    require(len(set(calls)) == len(calls), f"{where}: tool_use ids must be unique")
    first = [block["type"] for block in content[: len(results)]]
    require(set(first) <= {"tool_result"}, f"{where}: tool_result blocks must come first")
    return set(calls)

"""The shapes of content blocks: what each kind may and must carry."""

import base64
import binascii
import re
from collections.abc import Sequence
from typing import Any

from tests.messages_api.invalid import require
from tests.messages_api.reply import Json

IDENTIFIER = re.compile(r"[a-zA-Z0-9_-]+")
TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
SERVER_IDENTIFIER = re.compile(r"srvtoolu_[a-zA-Z0-9_]+")
IMAGES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
SIGNATURES = {
    "image/png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "image/jpeg": re.compile(rb"\xff\xd8\xff"),
    "image/gif": re.compile(rb"GIF8[79]a"),
    "image/webp": re.compile(rb"RIFF....WEBP", re.DOTALL),
    "application/pdf": re.compile(rb".{0,1024}?%PDF", re.DOTALL),
}
"""How the bytes of each type begin."""
IN_A_RESULT = frozenset({"text", "image", "document", "search_result"})
OF_THE_ASSISTANT = frozenset({"tool_use", "thinking", "redacted_thinking", "server_tool_use", "mcp_tool_use"})
FIELDS = {
    "text": {"type", "text", "citations", "cache_control"},
    "image": {"type", "source", "cache_control"},
    "document": {"type", "source", "title", "context", "citations", "cache_control"},
    "tool_use": {"type", "id", "name", "input", "cache_control", "caller", "toolset_name"},
    "tool_result": {"type", "tool_use_id", "content", "is_error", "cache_control", "toolset_name"},
    "thinking": {"type", "thinking", "signature"},
    "redacted_thinking": {"type", "data"},
    "server_tool_use": {"type", "id", "name", "input", "cache_control", "caller"},
    "web_search_tool_result": {"type", "tool_use_id", "content", "cache_control", "caller"},
}
UNCHECKED = frozenset(
    {
        "bash_code_execution_tool_result",
        "code_execution_tool_result",
        "container_upload",
        "mcp_tool_result",
        "mcp_tool_use",
        "search_result",
        "text_editor_code_execution_tool_result",
        "tool_search_tool_result",
        "web_fetch_tool_result",
    }
)
"""Kinds that the provider accepts too; their shape is not checked here."""
SOURCES = {
    ("image", "base64"): {"type", "media_type", "data"},
    ("image", "url"): {"type", "url"},
    ("image", "file"): {"type", "file_id"},
    ("document", "base64"): {"type", "media_type", "data"},
    ("document", "text"): {"type", "media_type", "data"},
    ("document", "url"): {"type", "url"},
    ("document", "file"): {"type", "file_id"},
    ("document", "content"): {"type", "content"},
}


def check_block(block: Any, where: str, role: str) -> None:
    """Raise InvalidRequestError when the provider does not accept the block in a message of this role."""
    require(isinstance(block, dict) and isinstance(block.get("type"), str), f"{where}: a block needs a type")
    kind = block["type"]
    known = FIELDS.get(kind)
    require(
        known is not None or kind in UNCHECKED, f"{where}: Input tag '{kind}' does not match any of the expected tags"
    )
    require(known is None or set(block) <= known, f"{where}: extra inputs are not permitted: {sorted(block)}")
    of_the_assistant = kind in OF_THE_ASSISTANT or (kind.endswith("_tool_result") and kind != "tool_result")
    require(role == "assistant" or not of_the_assistant, f"{where}: `{kind}` blocks are the assistant's")
    require(role == "user" or kind not in ("image", "document"), f"{where}: `{kind}` blocks are the user's")
    match kind:
        case "text":
            require(block.get("text"), f"{where}: text content blocks must be non-empty")
        case "image" | "document":
            check_source(block, where)
        case "tool_use" | "server_tool_use":
            _check_call(block, where)
        case "tool_result":
            _check_result(block, where)
        case "thinking":
            require(isinstance(block.get("thinking"), str), f"{where}: thinking.thinking: field required")
            require(isinstance(block.get("signature"), str), f"{where}: thinking.signature: field required")
        case "redacted_thinking":
            require(isinstance(block.get("data"), str), f"{where}: redacted_thinking.data: field required")
        case "web_search_tool_result":
            _check_search_result(block, where)


def check_source(block: Json, where: str) -> None:
    """Check where the image or the document comes from, and its data."""
    source = block.get("source")
    require(isinstance(source, dict), f"{where}: {block['type']}.source: field required")
    assert isinstance(source, dict)
    kind = source.get("type")
    fields = SOURCES.get((block["type"], str(kind)))
    require(fields is not None, f"{where}: {block['type']}.source: no source of the type {kind}")
    require(set(source) == fields, f"{where}: {block['type']}.source: has {sorted(source)}")
    if kind == "base64":
        allowed = IMAGES if block["type"] == "image" else {"application/pdf"}
        require(
            source["media_type"] in allowed, f"{where}: source.media_type: Input should be one of {sorted(allowed)}"
        )
        require(_is_base64(source["data"]), f"{where}: source.data: invalid base64 data")
        data = base64.b64decode(source["data"])
        require(SIGNATURES[source["media_type"]].match(data), f"{where}: source: not a valid {source['media_type']}")
    elif kind == "text":
        require(source["media_type"] == "text/plain" and source["data"], f"{where}: source: must be text/plain")
    elif kind == "url":
        require(str(source["url"]).startswith("https://"), f"{where}: source.url: only HTTPS URLs are supported")


def check_server_calls(content: Sequence[Json], where: str, *, last: bool) -> None:
    """Check that each call of the provider's own tools has its result; only in the last message may one still run."""
    open_calls: list[str] = []
    for block in content:
        if block["type"] in ("server_tool_use", "mcp_tool_use"):
            open_calls.append(block["id"])
        elif block["type"].endswith("_tool_result") and block["type"] != "tool_result":
            require(block["tool_use_id"] in open_calls, f"{where}: unexpected `tool_use_id` in {block['type']}")
            open_calls.remove(block["tool_use_id"])
    require(last or not open_calls, f"{where}: server tool use without a corresponding result: {open_calls}")


def _check_call(block: Json, where: str) -> None:
    pattern = SERVER_IDENTIFIER if block["type"] == "server_tool_use" else IDENTIFIER
    require(pattern.fullmatch(str(block.get("id", ""))), f"{where}: {block['type']}.id: bad pattern")
    name = str(block.get("name", ""))
    require(
        TOOL_NAME.fullmatch(name), f"{where}: {block['type']}.name: String should match pattern '{TOOL_NAME.pattern}'"
    )
    require(isinstance(block.get("input"), dict), f"{where}: {block['type']}.input: must be an object")


def _check_result(block: Json, where: str) -> None:
    identifier = str(block.get("tool_use_id", ""))
    require(IDENTIFIER.fullmatch(identifier), f"{where}: tool_result.tool_use_id: bad pattern")
    content = block.get("content", "")
    require(isinstance(content, str | list), f"{where}: tool_result.content: a text or blocks")
    if block.get("is_error"):
        require(content, f"{where}: tool_result: content cannot be empty if `is_error` is true")
        kinds = {inner.get("type") for inner in content if isinstance(inner, dict)}
        require(kinds <= {"text"}, f"{where}: tool_result: all content must be type `text` if `is_error` is true")
    for inner in content if isinstance(content, list) else ():
        require(isinstance(inner, dict), f"{where}: tool_result.content: not an object")
        require(inner.get("type") in IN_A_RESULT, f"{where}: tool_result.content: no {inner.get('type')} in a result")
        if inner["type"] != "search_result":
            check_block(inner, f"{where}.tool_result", "user")


def _check_search_result(block: Json, where: str) -> None:
    require(SERVER_IDENTIFIER.fullmatch(str(block.get("tool_use_id", ""))), f"{where}: tool_use_id: bad pattern")
    found = block.get("content")
    if isinstance(found, dict):
        require(found.get("type") == "web_search_tool_result_error", f"{where}: content: neither results nor an error")
        return
    required = {"type", "url", "title", "encrypted_content"}
    require(isinstance(found, list), f"{where}: content: field required")
    assert isinstance(found, list)
    require(all(required <= set(entry) for entry in found), f"{where}: content: a result has {sorted(required)}")


def _is_base64(data: object) -> bool:
    if not isinstance(data, str) or not data:
        return False
    try:
        base64.b64decode(data, validate=True)
    except binascii.Error:
        return False
    return True

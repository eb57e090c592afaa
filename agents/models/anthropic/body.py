"""The body of a request to the Messages API: the messages with their cache markers, the schema, the options."""

from collections.abc import Container, Mapping, Sequence
from typing import Any

import orjson
from anthropic import transform_schema

from agents.models.protocol import Json, ModelRequest

MARKER: Json = {"cache_control": {"type": "ephemeral"}}
MARKABLE = frozenset({"text", "image", "document", "search_result", "tool_use", "tool_result"})
SCHEMA_PROMPT = "Answer with one JSON object that matches this JSON schema, and with nothing else:\n"


def build_body(request: ModelRequest, model: str, options: Mapping[str, Any], *, knows_schemas: bool = True) -> Json:
    """The body of the request; raises ValueError for an output schema that structured outputs cannot express.

    Of the four cache markers that are allowed, one stands behind the tools, one behind the system prompt, and two in
    the messages: where their stable part ends, and where the stable part of the previous call ended. So the provider
    finds what the previous call wrote to the cache, however many blocks have come since.
    """
    body: Json = {
        "model": request.model or model,
        "max_tokens": request.max_tokens,
        "messages": _messages(request),
        "stream": True,
        **options,
    }
    system = request.system
    if request.output_schema is not None and knows_schemas:
        schema = {"type": "json_schema", "schema": transform_schema(request.output_schema)}
        body["output_config"] = {**options.get("output_config", {}), "format": schema}
    elif request.output_schema is not None:
        system = f"{system}\n\n{SCHEMA_PROMPT}{orjson.dumps(request.output_schema).decode()}".lstrip()
    if system:
        body["system"] = [{"type": "text", "text": system, **MARKER}]
    if request.tools:
        body["tools"] = _tools(request.tools)
    return body


def without_types(body: Json, kinds: Container[str]) -> Json:
    """The same request with a note in the place of each block of these types; the same object if there is none."""
    contents = [message["content"] for message in body["messages"]]
    if not any(block["type"] in kinds for content in contents if not isinstance(content, str) for block in content):
        return body
    return {**body, "messages": [_without_types(message, kinds) for message in body["messages"]]}


def _without_types(message: Json, kinds: Container[str]) -> Json:
    content = message["content"]
    if isinstance(content, str):
        return message
    return {**message, "content": [_note(block) if block["type"] in kinds else block for block in content]}


def _note(block: Json) -> Json:
    return {"type": "text", "text": f"[A part of the type {block['type']} is left out here.]"}


def _messages(request: ModelRequest) -> list[Json]:
    """The messages with our markers only: markers in the blocks of a sender could use up the four."""
    messages = [_unmarked(message) for message in request.messages]
    end, skipped = _end_of_stable(request)
    if 0 <= end < len(messages):
        messages[end] = _marked(messages[end], skipped)
    if 0 <= end - 2 < len(messages):
        messages[end - 2] = _marked(messages[end - 2])
    return messages


def _end_of_stable(request: ModelRequest) -> tuple[int, int]:
    """The index of the message in which the stable part ends, and how many blocks at its end are not stable."""
    last = len(request.messages) - 1
    if request.injected and request.stable == last and len(request.messages[last]["content"]) > request.injected:
        return last, request.injected
    return request.stable - 1, 0


def _marked(message: Json, skipped: int = 0) -> Json:
    content = message["content"]
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else list(content)
    for position in range(len(blocks) - 1 - skipped, -1, -1):
        if blocks[position]["type"] in MARKABLE:
            blocks[position] = {**blocks[position], **MARKER}
            return {**message, "content": blocks}
    return message


def _unmarked(message: Json) -> Json:
    content = message["content"]
    if isinstance(content, str) or not any("cache_control" in block for block in content):
        return message
    blocks = [{key: value for key, value in block.items() if key != "cache_control"} for block in content]
    return {**message, "content": blocks}


def _tools(tools: Sequence[Json]) -> list[Json]:
    *others, last = tools
    return [*others, last if last.get("defer_loading") else {**last, **MARKER}]

"""The rules for the other parts of a request: thinking, the format of the output, cache markers."""

from collections.abc import Iterator
from typing import Any

from tests.messages_api.invalid import require
from tests.messages_api.reply import Json

MIN_BUDGET = 1024
MAX_MARKERS = 4
UNSUPPORTED = frozenset(
    {
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minLength",
        "maxLength",
        "maxItems",
        "uniqueItems",
        "prefixItems",
        "oneOf",
        "default",
    }
)


def check_thinking(body: Json) -> None:
    thinking = body.get("thinking")
    if thinking is None:
        return
    kind = thinking.get("type")
    require(kind in ("enabled", "adaptive", "disabled"), f"thinking.type: no thinking of the type {kind}")
    require(kind == "adaptive" or "block_binding" not in thinking, "thinking.block_binding: adaptive thinking only")
    if kind != "enabled":
        require("budget_tokens" not in thinking, "thinking.budget_tokens: extra inputs are not permitted")
        return
    budget = thinking.get("budget_tokens")
    require(isinstance(budget, int), "thinking.enabled.budget_tokens: field required")
    require(budget >= MIN_BUDGET, f"thinking.enabled.budget_tokens: must be at least {MIN_BUDGET}")
    require(body["max_tokens"] > budget, "`max_tokens` must be greater than `thinking.budget_tokens`")
    require(body.get("temperature", 1) == 1, "`temperature` may only be set to 1 when thinking is enabled")
    choice = (body.get("tool_choice") or {}).get("type", "auto")
    require(choice in ("auto", "none"), "Thinking may not be enabled when tool_choice forces tool use")


def check_output(body: Json) -> None:
    require("output_format" not in body, "output_format: extra inputs are not permitted, use output_config.format")
    config = body.get("output_config") or {}
    require(set(config) <= {"format", "effort"}, f"output_config: extra inputs are not permitted: {sorted(config)}")
    if "format" not in config:
        return
    shape = config["format"]
    require(isinstance(shape, dict) and set(shape) == {"type", "schema"}, "output_config.format: type and schema")
    require(shape["type"] == "json_schema", f"output_config.format.type: no format of the type {shape['type']}")
    schema = shape["schema"]
    require(isinstance(schema, dict), "output_config.format.schema: not an object")
    _check_schema(schema, schema, ())


def _check_schema(schema: Json, root: Json, refs: tuple[str, ...]) -> None:
    """Check the schema; each reference is followed where it is used, so that a recursive one is found."""
    bad = UNSUPPORTED & set(schema)
    require(not bad, f"output_config.format.schema: not supported: {sorted(bad)}")
    require(schema.get("minItems", 0) in (0, 1), "output_config.format.schema: 'minItems' must be 0 or 1")
    if schema.get("type") == "object":
        closed = schema.get("additionalProperties") is False
        require(closed, "output_config.format.schema: For 'object' type, 'additionalProperties' must be false")
    if "$ref" in schema:
        ref = schema["$ref"]
        require(ref.startswith("#/$defs/"), "output_config.format.schema: external $ref is not supported")
        require(ref not in refs, "output_config.format.schema: recursive schemas are not supported")
        _check_schema(root["$defs"][ref.removeprefix("#/$defs/")], root, (*refs, ref))
    for child in _children(schema):
        _check_schema(child, root, refs)


def _children(schema: Json) -> Iterator[Json]:
    yield from schema.get("properties", {}).values()
    yield from schema.get("anyOf", ())
    yield from schema.get("allOf", ())
    if isinstance(schema.get("items"), dict):
        yield schema["items"]


def check_markers(body: Json) -> None:
    marked = [block for block in _markable(body) if block.get("cache_control") is not None]
    count = len(marked)
    require(
        count <= MAX_MARKERS,
        f"A maximum of {MAX_MARKERS} blocks with cache_control may be provided. Found {count}.",
    )
    for block in marked:
        marker: Any = block["cache_control"]
        require(isinstance(marker, dict) and marker.get("type") == "ephemeral", "cache_control.type: must be ephemeral")
        require(set(marker) <= {"type", "ttl"}, "cache_control: extra inputs are not permitted")
        require(marker.get("ttl", "5m") in ("5m", "1h"), "cache_control.ttl: must be 5m or 1h")
        require(not block.get("defer_loading"), "cache_control: not on a tool that is loaded later")


def _markable(body: Json) -> Iterator[Json]:
    """The request itself, whose marker marks its end, and each block that may have a marker."""
    yield body
    yield from body.get("tools") or ()
    system = body.get("system") or ()
    yield from () if isinstance(system, str) else system
    for message in body["messages"]:
        for block in () if isinstance(message["content"], str) else message["content"]:
            yield block
            inner = block.get("content") if block["type"] == "tool_result" else None
            yield from inner if isinstance(inner, list) else ()

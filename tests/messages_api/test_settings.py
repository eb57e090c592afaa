"""The rules for thinking, for the format of the output, and for cache markers."""

from typing import Any

import pytest

from tests.messages_api.rules import InvalidRequestError, check_headers, check_request

USER = {"role": "user", "content": "Hello"}
MARKER = {"cache_control": {"type": "ephemeral"}}
DROP = {"type": "adaptive", "block_binding": {"prefix_mismatch_behavior": "drop_block"}}


def body(**fields: Any) -> dict[str, Any]:
    return {"model": "m", "max_tokens": 2000, "messages": [USER], **fields}


def schema(shape: Any) -> dict[str, Any]:
    return body(output_config={"format": {"type": "json_schema", "schema": shape}})


def closed(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def marked(count: int) -> dict[str, Any]:
    return body(messages=[{"role": "user", "content": [{"type": "text", "text": "x", **MARKER}] * count}])


@pytest.mark.parametrize(
    "request_body",
    [
        body(thinking={"type": "enabled", "budget_tokens": 1999}),
        body(thinking={"type": "adaptive", "display": "summarized"}),
        body(thinking=DROP),
        body(thinking={"type": "disabled"}),
        body(output_config={"effort": "low"}),
        schema(closed(name={"type": "string", "format": "date"}, kind={"enum": ["a", "b"]})),
        schema({**closed(line={"$ref": "#/$defs/Line"}), "$defs": {"Line": closed(text={"type": "string"})}}),
        marked(4),
        body(cache_control={"type": "ephemeral", "ttl": "1h"}),
    ],
)
def test_valid_settings(request_body: dict[str, Any]) -> None:
    check_request(request_body)


@pytest.mark.parametrize(
    ("request_body", "problem"),
    [
        pytest.param(body(thinking={"type": "enabled"}), "budget_tokens", id="no budget"),
        pytest.param(body(thinking={"type": "enabled", "budget_tokens": 1000}), "at least 1024", id="small budget"),
        pytest.param(body(thinking={"type": "enabled", "budget_tokens": 2000}), "greater than", id="large budget"),
        pytest.param(body(thinking={"type": "adaptive", "budget_tokens": 1024}), "extra inputs", id="adaptive budget"),
        pytest.param(body(thinking={"type": "deep"}), "no thinking of the type", id="unknown thinking"),
        pytest.param(body(thinking={**DROP, "type": "disabled"}), "adaptive thinking only", id="binding of nothing"),
        pytest.param(
            body(thinking={"type": "enabled", "budget_tokens": 1024}, temperature=0), "temperature", id="cold thinking"
        ),
        pytest.param(
            body(thinking={"type": "enabled", "budget_tokens": 1024}, tool_choice={"type": "any"}),
            "forces tool use",
            id="forced tool",
        ),
        pytest.param(body(output_format={"type": "json_schema"}), "output_config.format", id="old spelling"),
        pytest.param(body(output_config={"schema": {}}), "extra inputs", id="unknown field"),
        pytest.param(body(output_config={"format": {"type": "json"}}), "type and schema", id="no schema"),
        pytest.param(schema({"type": "object", "properties": {}}), "must be false", id="open object"),
        pytest.param(schema(closed(n={"type": "integer", "minimum": 1})), "minimum", id="constraint"),
        pytest.param(schema(closed(n={"type": "array", "minItems": 2})), "minItems", id="two items"),
        pytest.param(
            schema(closed(n={"type": "array", "items": {"type": "object"}})), "must be false", id="open items"
        ),
        pytest.param(schema(closed(n={"anyOf": [{"type": "object"}]})), "must be false", id="open variant"),
        pytest.param(
            schema({**closed(n={"$ref": "#/$defs/N"}), "$defs": {"N": closed(n={"$ref": "#/$defs/N"})}}),
            "recursive",
            id="recursion",
        ),
        pytest.param(schema(closed(n={"$ref": "https://example.org/n"})), "external", id="external"),
        pytest.param(marked(5), "Found 5", id="five markers"),
        pytest.param(body(cache_control={"type": "always"}), "ephemeral", id="unknown marker"),
        pytest.param(body(cache_control={"type": "ephemeral", "ttl": "2h"}), "5m or 1h", id="unknown lifetime"),
    ],
)  # fmt: skip
def test_invalid_settings(request_body: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidRequestError, match=problem):
        check_request(request_body)


def test_markers_inside_of_results_count() -> None:
    inner = {"type": "text", "text": "x", **MARKER}
    call = {"type": "tool_use", "id": "toolu_1", "name": "a", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [inner] * 3, **MARKER}
    turns = [USER, {"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]
    check_request(body(messages=turns))
    with pytest.raises(InvalidRequestError, match="Found 5"):
        check_request(body(messages=turns, system=[inner]))


def test_what_is_in_beta_is_asked_for() -> None:
    asked = {"anthropic-beta": "other,thinking-binding-controls-2026-08-01"}
    check_headers(body(thinking=DROP), asked)
    check_headers(body(), {})
    with pytest.raises(InvalidRequestError, match="anthropic-beta"):
        check_headers(body(thinking=DROP), {})

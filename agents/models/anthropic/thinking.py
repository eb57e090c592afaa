"""Requests without the thinking of earlier answers, for when the provider refuses it."""

from collections.abc import Mapping

from agents.models.protocol import Json

THINKING = frozenset({"thinking", "redacted_thinking"})
BINDING_BETA = "thinking-binding-controls-2026-08-01"
"""The beta header without which `block_binding` is refused."""


def with_unbound_thinking(body: Json) -> Json | None:
    """The same request, with the provider told to drop thinking that it cannot accept; None if it cannot be told.

    Newer models sign their thinking together with everything before it. Injected blocks change with each call, and the
    system prompt with what people write; then the thinking of earlier answers is invalid.
    """
    thinking = body.get("thinking", {"type": "adaptive"})
    if thinking.get("type") != "adaptive" or "block_binding" in thinking:
        return None
    return {**body, "thinking": {**thinking, "block_binding": {"prefix_mismatch_behavior": "drop_block"}}}


def headers_of(body: Json, headers: Mapping[str, str]) -> Mapping[str, str]:
    """The headers of the request, with the beta that its body needs."""
    betas = headers.get("anthropic-beta", "")
    if "block_binding" not in body.get("thinking", {}) or BINDING_BETA in betas:
        return headers
    return {**headers, "anthropic-beta": f"{betas},{BINDING_BETA}".lstrip(",")}


def without_thinking(body: Json) -> Json | None:
    """The same request without the thinking of earlier answers; None if it has none already.

    Thinking with a fixed budget is left out too: within a tool cycle the provider accepts it only together with the
    earlier thinking.
    """
    cleaned = [_without_thinking(message) for message in body["messages"]]
    has_budget = body.get("thinking", {}).get("type") == "enabled"
    if cleaned == body["messages"] and not has_budget:
        return None
    kept = {key: value for key, value in body.items() if not (key == "thinking" and has_budget)}
    return {**kept, "messages": [message for message in cleaned if message["content"]]}


def without_missing_thinking(body: Json) -> Json:
    """The request without thinking of a fixed budget, if the calls that it goes on with were made without thinking.

    So it is after another model has made them. The provider would refuse it.
    """
    *earlier, last = body["messages"]
    if body.get("thinking", {}).get("type") != "enabled" or not earlier or isinstance(last["content"], str):
        return body
    content = earlier[-1]["content"]
    goes_on = any(block["type"] == "tool_result" for block in last["content"])
    if not goes_on or isinstance(content, str) or content[0]["type"] in THINKING:
        return body
    return {key: value for key, value in body.items() if key != "thinking"}


def _without_thinking(message: Json) -> Json:
    content = message["content"]
    if isinstance(content, str):
        return message
    return {**message, "content": [block for block in content if block["type"] not in THINKING]}

"""What becomes of the thinking of earlier answers when the provider refuses it: without it the request still stands."""

from collections.abc import Mapping

from agents.models.protocol import Json

THINKING = frozenset({"thinking", "redacted_thinking"})
BINDING_BETA = "thinking-binding-controls-2026-08-01"
"""The beta header without which `block_binding` is refused."""


def unbound(body: Json) -> Json | None:
    """The same request with the provider told to drop the thinking that it cannot accept; None if it may not be told.

    Newer models sign their thinking together with all that stood before it. What is injected changes with each call,
    and the system prompt with what a person writes; the thinking of earlier answers is invalid then.
    """
    thinking = body.get("thinking", {"type": "adaptive"})
    if thinking.get("type") != "adaptive" or "block_binding" in thinking:
        return None
    return {**body, "thinking": {**thinking, "block_binding": {"prefix_mismatch_behavior": "drop_block"}}}


def headers_of(body: Json, headers: Mapping[str, str]) -> Mapping[str, str]:
    """The headers of a request, with the beta that its body needs."""
    betas = headers.get("anthropic-beta", "")
    if "block_binding" not in body.get("thinking", {}) or BINDING_BETA in betas:
        return headers
    return {**headers, "anthropic-beta": f"{betas},{BINDING_BETA}".lstrip(",")}


def without_thinking(body: Json) -> Json | None:
    """The same request without the thinking of earlier answers, and without what insists on it; None if that is it.

    Thinking with a fixed budget insists: within a tool cycle the provider accepts it only with the earlier thinking.
    """
    cleaned = [_thoughtless(message) for message in body["messages"]]
    insists = body.get("thinking", {}).get("type") == "enabled"
    if cleaned == body["messages"] and not insists:
        return None
    kept = {key: value for key, value in body.items() if not (key == "thinking" and insists)}
    return {**kept, "messages": [message for message in cleaned if message["content"]]}


def _thoughtless(message: Json) -> Json:
    content = message["content"]
    if isinstance(content, str):
        return message
    return {**message, "content": [block for block in content if block["type"] not in THINKING]}

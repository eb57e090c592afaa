"""Whose server wrote an answer: what only that one can read is for no other."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from agents.models.protocol import Json, Model, ModelRequest

PORTABLE = frozenset({"text", "tool_use", "tool_call"})
"""The types of an answer's blocks that any provider can read: words, and calls of our tools."""
NOT_PORTABLE: Json = {"type": "text", "text": "[What was said here can be read by another provider only.]"}


def provider_of(model: Model) -> str | None:
    """The attribute `provider` of a model; None for a model that does not tell."""
    return getattr(model, "provider", None)


def portable_blocks(content: Sequence[Mapping[str, Any]]) -> list[Json]:
    """What another provider can read of an answer: no thinking, no search results, no references into them."""
    return [
        {key: value for key, value in block.items() if key != "citations"}
        for block in content
        if block["type"] in PORTABLE
    ]


def portable_request(request: ModelRequest) -> ModelRequest:
    """The request for another provider than the one that it was made for."""
    return replace(request, messages=[_portable(message) for message in request.messages])


def _portable(message: Json) -> Json:
    content = message["content"]
    if message["role"] != "assistant" or isinstance(content, str):
        return message
    return {**message, "content": portable_blocks(content) or [NOT_PORTABLE]}

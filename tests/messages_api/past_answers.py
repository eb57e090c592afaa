"""The answers that the stand-in gave, and the check that a request sends them back unchanged.

Thinking is signed. Within a tool cycle (the assistant's messages since the last message of a person) it has to come
back complete and unchanged; further back it may be left out. With `binds_thinking` the signature also covers everything
before the thinking, as with newer models.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from tests.messages_api.invalid import require
from tests.messages_api.reply import Json

THINKING = frozenset({"thinking", "redacted_thinking"})
UNCHANGED = "`thinking` or `redacted_thinking` blocks in the latest assistant message cannot be modified. These blocks "
EXPECTED = (
    "Expected `thinking` or `redacted_thinking`, but found `tool_use`. When `thinking` is enabled, a final `assistant` "
    "message must start with a thinking block"
)
BOUND = (
    "Invalid `signature` in `thinking` block. The block is bound to a different conversation. Remove the block, or set "
    '`thinking.block_binding.prefix_mismatch_behavior` to "drop_block".'
)


class PastAnswers:
    """The answers of one stand-in since its start."""

    def __init__(self, *, binds_thinking: bool = False) -> None:
        self._binds_thinking = binds_thinking
        self._blocks: dict[str, Json] = {}
        self._prefixes: dict[str, str] = {}
        self._thoughts: dict[str, list[Json]] = {}

    def remember(self, body: Json, content: Sequence[Json]) -> None:
        """Keep the answer to a request."""
        prefix = [*_flat(body)]
        thoughts = [block for block in content if block["type"] in THINKING]
        for block in content:
            if (key := _key(block)) is not None:
                self._blocks[key] = block
                self._prefixes[key] = _digest(prefix)
            if block["type"] == "tool_use":
                self._thoughts[block["id"]] = thoughts
            prefix.append(("assistant", block))

    def check(self, body: Json) -> None:
        """Raise InvalidRequestError when a block was never part of an answer, or was different in it."""
        for position, message in enumerate(body["messages"]):
            blocks = () if isinstance(message["content"], str) else message["content"]
            for index, block in enumerate(blocks):
                self._check_block(block, f"messages.{position}.content.{index}")
        self._check_cycle(body)
        behaviour = (body.get("thinking") or {}).get("block_binding", {}).get("prefix_mismatch_behavior")
        if self._binds_thinking and behaviour != "drop_block":
            self._check_prefixes(body)

    def _check_block(self, block: Json, where: str) -> None:
        key = _key(block)
        if key is None:
            return
        original = self._blocks.get(key)
        if block["type"] in THINKING:
            require(original is not None, f"{where}: Invalid `signature` in `thinking` block")
            require(original == block, f"{where}: {UNCHANGED}must remain as they were in the original response.")
        else:
            require(original is not None, f"{where}: `{block['type']}` was never part of an answer")
            require(original == _unmarked(block), f"{where}: `{block['type']}` must be sent back as it was received")

    def _check_cycle(self, body: Json) -> None:
        insists = (body.get("thinking") or {}).get("type") == "enabled"
        cycle = _cycle(body["messages"])
        for message in cycle:
            thoughts = [block for block in message["content"] if block["type"] in THINKING]
            for call in (block for block in message["content"] if block["type"] == "tool_use"):
                issued = self._thoughts.get(call["id"], [])
                complete = all(block in thoughts for block in issued)
                require(complete or not thoughts, f"messages: {UNCHANGED}must come back complete.")
        for message in cycle[-1:] if insists else ():
            require(message["content"][0]["type"] in THINKING, f"messages: {EXPECTED}")

    def _check_prefixes(self, body: Json) -> None:
        prefix: list[tuple[str, Json]] = []
        for role, block in _flat(body):
            key = _key(block)
            if block["type"] in THINKING and key is not None:
                require(self._prefixes[key] == _digest(prefix), f"messages: {BOUND}")
            prefix.append((role, block))


def _cycle(messages: Sequence[Json]) -> list[Json]:
    """The assistant's messages since a person last spoke, if the last message answers calls."""
    found: list[Json] = []
    for message in reversed(messages):
        content = message["content"]
        kinds = {"text"} if isinstance(content, str) else {block["type"] for block in content}
        if message["role"] == "user" and "tool_result" not in kinds:
            break
        if message["role"] == "assistant" and "tool_use" in kinds:
            found.insert(0, message)
    return found


def _flat(body: Json) -> Iterator[tuple[str, Json]]:
    """All that the model reads, in order and without markers; the ends of messages make no difference."""
    for tool in body.get("tools") or ():
        yield "tools", {"type": "tool", **_unmarked(tool)}
    system = body.get("system") or []
    for block in [_text(system)] if isinstance(system, str) else system:
        yield "system", _unmarked(block)
    for message in body["messages"]:
        content = message["content"]
        for block in [_text(content)] if isinstance(content, str) else content:
            yield message["role"], _unmarked(block)


def _key(block: Mapping[str, Any]) -> str | None:
    """What identifies the block; None for a block that a client may write itself."""
    match block:
        case {"type": "thinking", "signature": str(signature)}:
            return signature
        case {"type": "redacted_thinking", "data": str(data)}:
            return data
        case {"type": "server_tool_use", "id": str(identifier)}:
            return identifier
        case {"type": "web_search_tool_result", "tool_use_id": str(identifier)}:
            return f"result of {identifier}"
    return None


def _digest(prefix: Sequence[tuple[str, Json]]) -> str:
    return hashlib.sha256(orjson.dumps(list(prefix), option=orjson.OPT_SORT_KEYS)).hexdigest()


def _unmarked(block: Json) -> Json:
    return {key: value for key, value in block.items() if key != "cache_control"}


def _text(text: str) -> Json:
    return {"type": "text", "text": text}

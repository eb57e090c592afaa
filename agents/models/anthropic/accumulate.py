"""Joins the provider's stream events into content blocks, and turns them into the events of our `Model`."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from typing import Any

import orjson

from agents.errors import ModelError
from agents.models.metering import CHARACTERS_PER_TOKEN
from agents.models.protocol import (
    Completed,
    Json,
    ModelEvent,
    TextChunk,
    ThinkingChunk,
    TokenUsage,
    ToolUseStarted,
)

CALL_TYPES = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})
USAGE_FIELDS = tuple(entry.name for entry in fields(TokenUsage))


class BlockBuilder:
    """One content block while it grows; its text is kept in pieces and joined once, at the end."""

    __slots__ = ("pieces", "start")

    def __init__(self, start: Json) -> None:
        self.start = start
        self.pieces: list[str] = []

    def finished(self) -> Json:
        kind = self.start["type"]
        text = "".join(self.pieces)
        if kind in CALL_TYPES:
            return {**self.start, **_arguments(text, self.start)}
        if kind in ("text", "thinking"):
            return {**self.start, kind: self.start.get(kind, "") + text}
        return self.start


class Accumulator:
    """Takes the parsed events of one answer; KeyError and TypeError mean that an event has the wrong shape."""

    def __init__(self, model: str, provider: str | None = None) -> None:
        self._model = model
        self._provider = provider
        self._blocks: dict[int, BlockBuilder] = {}
        self._usage = dict.fromkeys(USAGE_FIELDS, 0)
        self._stop_reason: str | None = None
        self._is_complete = False

    @property
    def model(self) -> str:
        """The model that answers."""
        return self._model

    @property
    def has_begun(self) -> bool:
        """Whether the provider has said what it bills."""
        return any(self._usage.values())

    def usage(self) -> TokenUsage:
        """What the answer has used by now; the output of one that is not complete is estimated."""
        if self._is_complete:
            return TokenUsage(**self._usage)
        written = sum(len(piece) for block in self._blocks.values() for piece in block.pieces)
        output = max(self._usage["output_tokens"], written // CHARACTERS_PER_TOKEN)
        return TokenUsage(**{**self._usage, "output_tokens": output})

    def apply(self, event: Json) -> ModelEvent | None:
        """The event for the caller, if it is one for it; `Completed` when the answer is complete."""
        match event["type"]:
            case "content_block_delta":
                return self._extend(self._blocks[event["index"]], event["delta"])
            case "content_block_start":
                return self._open(event["index"], event["content_block"])
            case "message_start":
                self._model = event["message"].get("model") or self._model
                self._count(event["message"].get("usage"))
            case "message_delta":
                self._stop_reason = event["delta"].get("stop_reason") or self._stop_reason
                self._count(event.get("usage"))
            case "message_stop":
                return self._completed()
        return None

    def _open(self, index: int, start: Json) -> ModelEvent | None:
        self._blocks[index] = BlockBuilder(dict(start))
        match start:
            case {"type": "tool_use", "id": str(identifier), "name": str(name)}:
                return ToolUseStarted(identifier, name)
            case {"type": "tool_use"}:
                raise TypeError("a tool call without id or name")
            case {"type": "text", "text": str(text)} if text:
                return TextChunk(text)
            case {"type": str()}:
                return None
        raise TypeError("a content block without a type")

    def _extend(self, block: BlockBuilder, delta: Json) -> ModelEvent | None:
        match delta["type"]:
            case "text_delta":
                block.pieces.append(delta["text"])
                return TextChunk(delta["text"])
            case "thinking_delta":
                block.pieces.append(delta["thinking"])
                return ThinkingChunk(delta["thinking"])
            case "input_json_delta":
                block.pieces.append(delta["partial_json"])
            case "signature_delta":
                block.start["signature"] = delta["signature"]
            case "citations_delta":
                block.start["citations"] = [*(block.start.get("citations") or ()), delta["citation"]]
        return None

    def _count(self, usage: Mapping[str, Any] | None) -> None:
        # message_delta brings totals, not increments, and only of the kinds that it counts.
        for name in USAGE_FIELDS:
            if usage and usage.get(name) is not None:
                self._usage[name] = int(usage[name])

    def _completed(self) -> Completed:
        blocks = [self._blocks[index].finished() for index in sorted(self._blocks)]
        content = [block for block in blocks if block["type"] != "text" or block["text"]]
        self._is_complete = True
        return Completed(content, self._stop_reason or "end_turn", self.usage(), self._model, self._provider)


def join_chunks(events: Iterable[ModelEvent]) -> Iterator[ModelEvent]:
    """The same events with neighbouring chunks of a kind joined: text that came in together is handled as one."""
    last: ModelEvent | None = None
    try:
        for event in events:
            if isinstance(event, TextChunk) and isinstance(last, TextChunk):
                last = TextChunk(last.text + event.text)
            elif isinstance(event, ThinkingChunk) and isinstance(last, ThinkingChunk):
                last = ThinkingChunk(last.text + event.text)
            else:
                if last is not None:
                    yield last
                last = event
    except ModelError:  # the text before it is not lost
        if last is not None:
            yield last
        raise
    if last is not None:
        yield last


def _arguments(text: str, start: Json) -> Json:
    if not text.strip():
        return {"input": start.get("input") or {}}
    try:
        parsed = orjson.loads(text)
    except orjson.JSONDecodeError:
        parsed = None
    return {"input": parsed} if isinstance(parsed, dict) else {"input": {}, "malformed": text}

"""The model's message while it streams: what watchers see of it, and what is kept of it when it is cut off."""

from dataclasses import dataclass, field
from typing import Any

from agents.models import TextChunk, ThinkingChunk
from agents.turn.inputs import ModelRef, Partial
from agents.turn.live import TextDelta, ThinkingDelta


@dataclass(slots=True)
class StreamingMessage:
    """Grows chunk by chunk; positions count characters (code points) from the start of the message.

    It grows through `Journal.publish_chunk` only, so it never shows more than its watchers are told.
    `is_over`: its end is in the log, so it takes no further chunk.
    """

    ref: ModelRef
    message_id: str
    model: str
    is_over: bool = False
    _text: list[str] = field(default_factory=list)
    _thinking: list[str] = field(default_factory=list)
    _text_length: int = 0
    _thinking_length: int = 0

    def add(self, chunk: TextChunk | ThinkingChunk) -> TextDelta | ThinkingDelta:
        """Grow by a chunk from the model; return what watchers are told of it."""
        turn, message_id, text = self.ref.turn, self.message_id, chunk.text
        if isinstance(chunk, TextChunk):
            start, self._text_length = self._text_length, self._text_length + len(text)
            self._text.append(text)
            return TextDelta(turn=turn, message_id=message_id, index=start, next=self._text_length, text=text)
        start, self._thinking_length = self._thinking_length, self._thinking_length + len(text)
        self._thinking.append(text)
        return ThinkingDelta(turn=turn, message_id=message_id, index=start, next=self._thinking_length, text=text)

    def partial(self) -> Partial | None:
        """The text so far; thinking is left out, since it is worth nothing without its signature."""
        text = "".join(self._text)
        if not text.strip():
            return None
        return Partial(message_id=self.message_id, content=[{"type": "text", "text": text}], model=self.model)

    def snapshot(self) -> dict[str, Any]:
        """All of it so far, for a watcher who joins now."""
        return {
            "turn": self.ref.turn,
            "message_id": self.message_id,
            "text": "".join(self._text),
            "thinking": "".join(self._thinking),
        }

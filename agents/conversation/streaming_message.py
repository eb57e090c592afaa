"""The answer of the model while it streams: what watchers see of it, and what is kept when it breaks off."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from agents.turn.inputs import ModelRef, Partial
from agents.turn.live import TextDelta, ThinkingDelta


@dataclass(slots=True)
class StreamingMessage:
    """Grows delta by delta; positions count characters (code points) from the start of the answer.

    While it is `held` it should not grow: what has been decided of it is just being logged.
    """

    ref: ModelRef
    message_id: str
    model: str
    _text: list[str] = field(default_factory=list)
    _thinking: list[str] = field(default_factory=list)
    _text_length: int = 0
    _thinking_length: int = 0
    _let_go: asyncio.Event | None = None

    @property
    def held(self) -> bool:
        return self._let_go is not None

    def hold(self) -> None:
        self._let_go = self._let_go or asyncio.Event()

    def let_go(self) -> None:
        if self._let_go is not None:
            self._let_go.set()
            self._let_go = None

    async def until_let_go(self) -> None:
        while self._let_go is not None:
            await self._let_go.wait()

    def add_text(self, text: str) -> TextDelta:
        start, self._text_length = self._text_length, self._text_length + len(text)
        self._text.append(text)
        return TextDelta(turn=self.ref.turn, message_id=self.message_id, index=start, next=self._text_length, text=text)

    def add_thinking(self, text: str) -> ThinkingDelta:
        start, self._thinking_length = self._thinking_length, self._thinking_length + len(text)
        self._thinking.append(text)
        return ThinkingDelta(
            turn=self.ref.turn, message_id=self.message_id, index=start, next=self._thinking_length, text=text
        )

    def partial(self) -> Partial | None:
        """The text so far; thinking is left out, since it is worth nothing without its signature."""
        text = "".join(self._text)
        if not text.strip():
            return None
        return Partial(message_id=self.message_id, content=[{"type": "text", "text": text}], model=self.model)

    def glimpse(self) -> dict[str, Any]:
        """What a watcher who joins now has missed of this answer."""
        return {
            "turn": self.ref.turn,
            "message_id": self.message_id,
            "text": "".join(self._text),
            "thinking": "".join(self._thinking),
        }

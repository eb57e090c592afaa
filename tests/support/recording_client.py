"""A client that records what a live publisher would send, and the events to give it."""

import asyncio
from collections.abc import Sequence
from typing import Any

import orjson
from redis.asyncio import Redis

from store.client.client import Client

FAR_SECONDS = 60.0
"""An interval longer than any test."""


class RecordingClient(Client):
    """A client that keeps what would be published, a dict of messages by conversation for each batch."""

    def __init__(self) -> None:
        super().__init__(Redis())
        self.batches: list[dict[str, Any]] = []
        self.open = asyncio.Event()
        self.open.set()

    async def publish(self, messages: Sequence[tuple[str, str, bytes]]) -> None:
        await self.open.wait()
        self.batches.append({channel.split(":")[3]: orjson.loads(payload) for channel, _, payload in messages})


def delta(index: int, text: str, *, message_id: str = "m", kind: str = "text_delta") -> dict[str, Any]:
    """A delta whose index counts characters."""
    return {
        "type": kind,
        "turn": 1,
        "message_id": message_id,
        "index": index,
        "next": index + len(text),
        "text": text,
    }


def notice(number: int) -> dict[str, Any]:
    """An event that is not a delta."""
    return {"type": "tool_started", "last_seq": number}


def announcement() -> dict[str, Any]:
    """An event that is followed by others."""
    return {"type": "state_changed", "state": "streaming"}

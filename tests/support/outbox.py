"""What a live publisher is given and what it would send, without a server."""

import asyncio
from collections.abc import Sequence
from typing import Any

import orjson
from redis.asyncio import Redis

from store.client.client import Client

FAR = 60.0
"""An interval (s) that nobody waits for."""


class Outbox(Client):
    """A client that keeps what would be published, one list per pipeline."""

    def __init__(self) -> None:
        super().__init__(Redis())
        self.pipelines: list[dict[str, Any]] = []
        self.open = asyncio.Event()
        self.open.set()

    async def publish(self, messages: Sequence[tuple[str, str, bytes]]) -> None:
        await self.open.wait()
        self.pipelines.append({channel.split(":")[3]: orjson.loads(payload) for channel, _, payload in messages})


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
    """An event that is no delta."""
    return {"type": "tool_started", "last_seq": number}


def announcement() -> dict[str, Any]:
    """An event behind which others come."""
    return {"type": "state_changed", "state": "streaming"}

"""The readers of live messages: each has a bounded queue that reports its gaps, and a conversation has a channel."""

import asyncio
from collections import deque
from typing import Any

from store.errors import Overflow, Reconnected, StoreError

Payload = dict[str, Any]


MAX_QUEUED_BYTES = 262_144
"""How much may wait for a reader; a single message may be larger than that."""


class Subscription:
    """One reader's queue of messages of one conversation, bounded in their number and in their bytes."""

    def __init__(self, conversation_id: str, size: int) -> None:
        self.conversation_id = conversation_id
        self.established = False
        self._size = size
        self._queue: deque[tuple[Payload, int]] = deque()
        self._bytes = 0
        self._gap: StoreError | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def get(self) -> Payload:
        """The next message; readers share it and must not change it.

        Raises Overflow or Reconnected once for a gap, after which the reader takes a new snapshot and goes on
        reading; and StoreUnavailable when the subscriber was closed.
        """
        while not self._queue and self._gap is None:
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        if self._gap is None:
            payload, size = self._queue.popleft()
            self._bytes -= size
            return payload
        gap, self._gap = self._gap, None
        raise gap

    @property
    def has_more(self) -> bool:
        """Whether `get` returns, or raises, at once."""
        return bool(self._queue) or self._gap is not None

    def offer(self, payload: Payload, size: int) -> None:
        """Queue a message of `size` bytes. A full queue is emptied: after a gap the reader takes a snapshot anyway."""
        if len(self._queue) >= self._size or (self._queue and self._bytes + size > MAX_QUEUED_BYTES):
            self.interrupt(Overflow(self.conversation_id))
        else:
            self._queue.append((payload, size))
            self._bytes += size
            self._wake()

    def interrupt(self, gap: StoreError) -> None:
        """Drop what is queued and raise `gap` from the next `get`."""
        self._queue.clear()
        self._bytes = 0
        self._gap = gap
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Channel:
    """The readers of one conversation in this process."""

    def __init__(self, conversation_id: str) -> None:
        self.conversation_id = conversation_id
        self.readers: set[Subscription] = set()
        self.listening = asyncio.Event()

    def join(self, reader: Subscription) -> None:
        """Add a reader; it has a subscription as soon as the channel is listening."""
        reader.established = self.listening.is_set()
        self.readers.add(reader)

    def confirm(self) -> None:
        """Redis delivers from now on; readers from before the connection was lost have a gap."""
        for reader in self.readers:
            if reader.established:
                reader.interrupt(Reconnected(self.conversation_id))
            reader.established = True
        self.listening.set()

    def deliver(self, payload: Payload, size: int) -> None:
        """Hand one parsed message of `size` bytes to every reader."""
        for reader in self.readers:
            reader.offer(payload, size)

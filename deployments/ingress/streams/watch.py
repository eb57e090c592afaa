"""Watching a conversation: subscribe first, then the snapshot, then the tail; the source of every stream."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import orjson

from agents.codec import wire_record
from deployments.ingress.streams.watcher_state import Event, Gap, WatcherState
from deployments.routing.door import Door
from store import ConversationMeta, Store
from store.errors import MissedEvents
from store.live.subscription import Subscription

PAGE, PAGE_BYTES = 200, 262_144
"""How many events of the log are held at once, and about how large, however far behind a watcher is."""

_ENDINGS = {"completed": "turn_completed", "cancelled": "turn_cancelled", "failed": "turn_failed"}


class Watch:
    """One watcher of one conversation; make it with `watching`, so that nothing published since is missed."""

    def __init__(self, store: Store, door: Door, conversation_id: str, tail: Subscription) -> None:
        self._store = store
        self._door = door
        self._id = conversation_id
        self._tail = tail
        self._view = WatcherState()

    async def events(self, after: int) -> AsyncGenerator[Event, None]:
        """Snapshot from seq `after`, then the tail, for ever; a watcher that fell behind gets a new snapshot."""
        self._view.last_seq = after
        while True:
            async for event in self._snapshot():
                yield event
            async for event in self._follow():
                yield event

    async def turn(self, turn: int, seq: int, fresh: bool) -> AsyncGenerator[Event, None]:
        """The events of `turn` from seq on, until it has ended or waits for people.

        `fresh`: it has only just begun, so the tail holds all of it and no snapshot is needed.
        """
        self._view.last_seq = seq - 1
        async for event in self._all_of(turn, fresh):
            yield event
            if _ends(event, turn):
                return

    async def _all_of(self, turn: int, fresh: bool) -> AsyncIterator[Event]:
        """What comes of `turn`, for ever: the tail, and a snapshot wherever the tail has a gap."""
        if not fresh:
            async for event in self._turn_so_far(turn):
                yield event
        while True:
            async for event in self._follow():
                if event["turn"] == turn:
                    yield event
            async for event in self._turn_so_far(turn):
                yield event

    async def _follow(self) -> AsyncIterator[Event]:
        """The tail, until something was missed."""
        while True:
            try:
                payload = await self._tail.get()
                for event in self._view.accept(payload):
                    yield event
            except (MissedEvents, Gap):
                return

    async def _snapshot(self) -> AsyncIterator[Event]:
        meta = await self._store.registry.get(self._id)
        if self._view.last_seq > meta.last_seq:
            self._view.last_seq = 0  # a cursor from elsewhere is dropped
        status = await self._door.status(self._id)
        state = _cached_state(meta)
        if status is not None:
            state |= {"state": status.state, "pending": status.pending}
            self._view.epoch = max(self._view.epoch, status.epoch)
        turn = status.turn if status else 0
        yield {"type": "snapshot", "conversation_id": self._id, "turn": turn, "epoch": meta.epoch, **state}
        async for event in self._logged():
            yield event
        answer = status.streaming if status else None
        if answer is not None:
            for event in self._view.streaming(self._id, answer):
                yield event

    async def _turn_so_far(self, turn: int) -> AsyncIterator[Event]:
        """What the log and the live answer say of `turn`, with the live events that would have ended it."""
        waits: Event | None = None
        async for event in self._snapshot():
            if event["type"] == "snapshot":
                waits = event if event["state"] == "awaiting_input" and event["turn"] == turn else None
                continue
            if event["turn"] != turn:
                continue
            yield event
            if event["type"] == "turn_ended":
                yield {"type": _ENDINGS[event["outcome"]], **_head(event), **_failure(event)}
        if waits is not None:
            yield {"type": "suspended", **_head(waits), "pending": waits["pending"]}
            yield {"type": "state_changed", **_head(waits), "state": waits["state"], "last_seq": waits["last_seq"]}

    async def _logged(self) -> AsyncIterator[Event]:
        """The log behind what has been shown."""
        log = self._store.log
        while records := await log.page(self._id, after=self._view.last_seq, limit=PAGE, max_bytes=PAGE_BYTES):
            for record in records:
                for event in self._view.canonical(wire_record(record, self._id)):
                    yield event


@asynccontextmanager
async def watching(store: Store, door: Door, conversation_id: str) -> AsyncIterator[Watch]:
    """A watch that hears everything published from here on."""
    async with store.subscriptions.subscribe(conversation_id) as tail:
        yield Watch(store, door, conversation_id, tail)


def _ends(event: Event, turn: int) -> bool:
    """Whether a stream of `turn` ends with this event."""
    if event["turn"] != turn:
        return False
    return event["type"] in _ENDINGS.values() or (
        event["type"] == "state_changed" and event["state"] == "awaiting_input"
    )


def _cached_state(meta: ConversationMeta) -> dict[str, Any]:
    if meta.state is None:
        return {"state": "idle", "pending": {}, "last_seq": meta.last_seq}
    cached: dict[str, Any] = orjson.loads(meta.state)
    return cached


def _head(event: Event) -> Mapping[str, Any]:
    return {"conversation_id": event["conversation_id"], "turn": event["turn"]}


def _failure(event: Event) -> Mapping[str, Any]:
    if event["outcome"] != "failed":
        return {}
    return {"reason": event["reason"], "detail": event["detail"]}

"""Watches a conversation: subscribe first, then the snapshot, then the tail; the source of every stream."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import orjson
import structlog

from agents.arrivals import Arrivals
from agents.codec import wire_record
from deployments.ingress.streams.watcher_state import SequenceGap, WatcherState, WireEvent
from deployments.routing.door import Door
from store import ConversationMeta, ConversationNotFound, Store, StoreError
from store.errors import MissedEvents
from store.live.client_tools import LIFETIME_MS, new_watcher
from store.live.subscription import Subscription

log = structlog.get_logger(__name__)

MAX_PAGE_EVENTS, MAX_PAGE_BYTES = 200, 262_144
"""How many events of the log are held at once, and about how large, however far behind a watcher is."""

TURN_ENDS = {"completed": "turn_completed", "cancelled": "turn_cancelled", "failed": "turn_failed"}
"""The live event that tells of a turn's end, by its outcome."""

REPEAT_SECONDS = LIFETIME_MS / 3000
"""How often a declaration of client tools is repeated."""


@asynccontextmanager
async def open_watcher(
    store: Store,
    door: Door,
    conversation_id: str,
    client_tools: Sequence[str] = (),
    arrivals: Arrivals | None = None,
) -> AsyncIterator["Watcher"]:
    """A watcher that hears everything published from here on, and is known to run these client tools.

    What it hears waits for the `arrivals` of that moment: showing it to many takes longer than taking messages in.
    """
    async with (
        store.subscriptions.subscribe(conversation_id) as tail,
        _declare(store, conversation_id, client_tools),
    ):
        yield Watcher(store, door, conversation_id, tail, arrivals or Arrivals())


class Watcher:
    """One watcher of one conversation; `open_watcher` makes it, so that it misses nothing published since."""

    def __init__(self, store: Store, door: Door, conversation_id: str, tail: Subscription, arrivals: Arrivals) -> None:
        self._store = store
        self._door = door
        self._id = conversation_id
        self._tail = tail
        self._arrivals = arrivals
        self._state = WatcherState()

    async def events(self, after: int) -> AsyncGenerator[WireEvent, None]:
        """Snapshot from seq `after`, then the tail, for ever; a watcher that fell behind gets a new snapshot.

        The last event is `conversation_deleted`, if it comes to that.
        """
        self._state.last_seq = after
        try:
            while True:
                async for event in self._snapshot():
                    yield event
                async for event in self._follow_tail():
                    yield event
        except ConversationNotFound:
            yield self._deleted(0)

    async def turn_events(self, turn: int, seq: int, fresh: bool) -> AsyncGenerator[WireEvent, None]:
        """The events of `turn` from seq on, until it has ended or waits for people, or the conversation is deleted.

        `fresh`: it has only just begun, so the tail holds all of it and no snapshot is needed. Otherwise the tail may
        begin with states of the turn from before seq, which are left out.
        """
        self._state.last_seq = seq - 1
        try:
            async for event in self._endless_turn_events(turn, fresh):
                if event["type"] == "state_changed" and event["last_seq"] < seq:
                    continue
                yield event
                if _ends_stream(event, turn):
                    return
        except ConversationNotFound:
            yield self._deleted(turn)

    def _deleted(self, turn: int) -> WireEvent:
        return {"type": "conversation_deleted", "conversation_id": self._id, "turn": turn}

    async def _endless_turn_events(self, turn: int, fresh: bool) -> AsyncIterator[WireEvent]:
        """What comes of `turn`, for ever: the tail, and a snapshot wherever the tail has a gap."""
        if not fresh:
            async for event in self._turn_snapshot(turn):
                yield event
        while True:
            async for event in self._follow_tail():
                if event["turn"] == turn:
                    yield event
            async for event in self._turn_snapshot(turn):
                yield event

    async def _follow_tail(self) -> AsyncIterator[WireEvent]:
        """The tail, until something was missed. Raises `ConversationNotFound` when the conversation is deleted.

        What gathers while this waits for messages is shown without waiting again: a reader must not fall behind.
        """
        is_behind = False
        while True:
            try:
                payload = await self._tail.get()
                if not is_behind:
                    await self._arrivals.settle()
                is_behind = self._tail.has_more
                if payload.get("gone"):
                    raise ConversationNotFound(self._id)
                for event in self._state.accept(payload):
                    yield event
            except (MissedEvents, SequenceGap):
                return

    async def _snapshot(self) -> AsyncIterator[WireEvent]:
        """The state, the log behind what has been shown, and the message now streaming from its beginning."""
        meta = await self._store.registry.get(self._id)
        if self._state.last_seq > meta.last_seq:
            self._state.last_seq = 0  # a cursor from elsewhere is dropped
        status = await self._door.status(self._id)
        state = _cached_state(meta)
        if status is not None:
            state |= {"state": status.state, "pending": status.pending}
            self._state.epoch = max(self._state.epoch, status.epoch)
        turn = status.turn if status else await self._waiting_turn(state["pending"], state["last_seq"])
        yield {"type": "snapshot", "conversation_id": self._id, "turn": turn, "epoch": meta.epoch, **state}
        async for event in self._read_log():
            yield event
        message = status.streaming if status else None
        if message is not None:
            for event in self._state.accept_streaming(self._id, message):
                yield event

    async def _turn_snapshot(self, turn: int) -> AsyncIterator[WireEvent]:
        """What the log and the streaming message say of `turn`, with the live events that would have ended it."""
        waiting: WireEvent | None = None
        async for event in self._snapshot():
            if event["type"] == "snapshot":
                waiting = event if event["state"] == "awaiting_input" and event["turn"] == turn else None
                continue
            if event["turn"] != turn:
                continue
            yield event
            if event["type"] == "turn_ended":
                yield {"type": TURN_ENDS[event["outcome"]], **_turn_fields(event), **_failure_fields(event)}
        if waiting is not None:
            fields = _turn_fields(waiting)
            yield {"type": "suspended", **fields, "pending": waiting["pending"]}
            yield {"type": "state_changed", **fields, "state": waiting["state"], "last_seq": waiting["last_seq"]}

    async def _waiting_turn(self, pending: Collection[str], last_seq: int) -> int:
        """The turn whose calls wait, as the log up to `last_seq` says, for want of a glimpse; 0 if none waits."""
        log, before = self._store.log, last_seq + 1
        while pending and (
            records := await log.page_back(self._id, before=before, limit=MAX_PAGE_EVENTS, max_bytes=MAX_PAGE_BYTES)
        ):
            for record in reversed(records):
                event = wire_record(record, self._id)
                if event["type"] == "tool_call" and event["tool_call_id"] in pending:
                    turn: int = event["turn"]
                    return turn
            before = records[0].seq
        return 0

    async def _read_log(self) -> AsyncIterator[WireEvent]:
        """The log behind what has been shown."""
        log = self._store.log
        while records := await log.page(
            self._id, after=self._state.last_seq, limit=MAX_PAGE_EVENTS, max_bytes=MAX_PAGE_BYTES
        ):
            for record in records:
                for event in self._state.accept_canonical(wire_record(record, self._id)):
                    yield event


def _ends_stream(event: WireEvent, turn: int) -> bool:
    """Whether a stream of `turn` ends with this event."""
    if event["turn"] != turn:
        return False
    return event["type"] in TURN_ENDS.values() or (
        event["type"] == "state_changed" and event["state"] == "awaiting_input"
    )


def _cached_state(meta: ConversationMeta) -> dict[str, Any]:
    if meta.state is None:
        return {"state": "idle", "pending": {}, "last_seq": meta.last_seq}
    cached: dict[str, Any] = orjson.loads(meta.state)
    return cached


def _turn_fields(event: WireEvent) -> Mapping[str, Any]:
    return {"conversation_id": event["conversation_id"], "turn": event["turn"]}


def _failure_fields(event: WireEvent) -> Mapping[str, Any]:
    if event["outcome"] != "failed":
        return {}
    return {"reason": event["reason"], "detail": event["detail"]}


@asynccontextmanager
async def _declare(store: Store, conversation_id: str, tools: Sequence[str]) -> AsyncIterator[None]:
    """Declare the tools now, and until the end of the block. Raises `store.StoreUnavailable` if that cannot begin."""
    if not tools:
        yield
        return
    watcher = new_watcher()
    await store.client_tools.declare(conversation_id, watcher, tools)
    repeating = asyncio.create_task(_declare_again(store, conversation_id, watcher, tools))
    try:
        yield
    finally:
        repeating.cancel()
        await asyncio.wait({repeating})
        with suppress(StoreError):  # then it ends by itself
            await store.client_tools.withdraw(conversation_id, watcher, tools)


async def _declare_again(store: Store, conversation_id: str, watcher: str, tools: Sequence[str]) -> None:
    while True:
        await asyncio.sleep(REPEAT_SECONDS)
        try:
            await store.client_tools.declare(conversation_id, watcher, tools)
        except StoreError as error:
            log.warning("client_tools_not_declared", conversation_id=conversation_id, cause=str(error))

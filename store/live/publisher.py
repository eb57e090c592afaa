"""The lossy half of a conversation: live events, sent at once when the channel is quiet, else coalesced."""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from redis.asyncio import RedisCluster
from redis.exceptions import RedisError

from store.client.client import TRANSIENT_ERRORS, Client, Reply
from store.keys import Keys

log = logging.getLogger(__name__)

WireEvent = dict[str, Any]

INTERVAL_SECONDS = 0.015
INTERVAL_SECONDS_EACH = 0.0005
"""Added for each conversation that is active at the time: the readers have to show the events of all of them."""
MAX_QUIET_INTERVAL = 2
"""In multiples of the shortest interval; with a longer one the first pieces of answers gather like the others."""
MAX_INTERVAL_SECONDS = 0.25
TIMER_TOLERANCE_SECONDS = 0.001
"""How early a timer may fire: the timers of uvloop count whole milliseconds."""
DELTAS = frozenset({"text_delta", "thinking_delta"})
ANNOUNCING = frozenset({"state_changed"})
"""Other events follow these at once and travel with them; else the first piece of an answer would have to wait."""
MAX_EVENTS = 256
MAX_CONVERSATIONS = 4096
MAX_MERGED_CHARACTERS = 16_384


@dataclass(slots=True)
class Buffer:
    """What one conversation publishes at the next flush; a full buffer loses its oldest events."""

    epoch: int
    events: deque[WireEvent] = field(default_factory=lambda: deque(maxlen=MAX_EVENTS))

    def add(self, event: WireEvent) -> None:
        """Append an event, or merge a delta into the one it continues."""
        if self.events and _continues(event, self.events[-1]):
            last = self.events[-1]
            # A new dict: the events belong to the caller.
            self.events[-1] = {**event, "index": last["index"], "text": last["text"] + event["text"]}
        else:
            self.events.append(event)

    def payload(self) -> bytes:
        """The message for the channel."""
        return orjson.dumps({"epoch": self.epoch, "events": list(self.events)})


def _is_first_piece(event: WireEvent) -> bool:
    return event["type"] in DELTAS and event["index"] == 0


def _continues(event: WireEvent, last: WireEvent) -> bool:
    return (
        event["type"] in DELTAS
        and event["type"] == last["type"]
        and event["message_id"] == last["message_id"]
        and event["index"] == last["next"]
        and len(last["text"]) < MAX_MERGED_CHARACTERS
    )


class LivePublisher:
    """Publishes the live events of all conversations of this process; publishing never blocks and never raises.

    Events are sent in batches, one batch at a time. While a batch is in flight events gather, and the interval after
    it grows with the time that it took and with the number of active conversations: under load fewer and larger
    messages leave. When Redis is away, events are dropped.
    """

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._keys = keys
        self._buffers: dict[str, Buffer] = {}
        self._urgent: set[str] = set()
        self._active_until: dict[str, float] = {}
        self._interval = INTERVAL_SECONDS
        self._next_tick = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._sending: asyncio.Task[None] | None = None
        self._in_flight: frozenset[str] = frozenset()
        self._closed = False

    def publish(self, conversation_id: str, epoch: int, event: WireEvent) -> None:
        """Send an event to all watchers, soon. Must be called on the event loop."""
        if self._closed:
            return
        buffer = self._buffers.get(conversation_id)
        if buffer is None or buffer.epoch < epoch:
            if len(self._buffers) >= MAX_CONVERSATIONS and buffer is None:
                return
            buffer = self._buffers[conversation_id] = Buffer(epoch)
        elif buffer.epoch > epoch:
            return
        buffer.add(event)
        now = asyncio.get_running_loop().time()
        if event["type"] in ANNOUNCING:
            if self._next_tick <= now:
                self._next_tick = now + self._interval
        elif self._active_until.get(conversation_id, 0.0) <= now or (_is_first_piece(event) and self._is_quiet):
            self._urgent.add(conversation_id)
        self._arm()

    async def watchers(self, conversation_id: str) -> int:
        """How many processes listen to a conversation now, on all nodes. Raises StoreUnavailable."""
        channel = self._keys.conversation(conversation_id).live
        everywhere = {"target_nodes": RedisCluster.ALL_NODES} if self._client.clustered else {}
        counts: Reply = await self._client.retry(lambda: self._client.redis.pubsub_numsub(channel, **everywhere))
        return sum(int(count) for _, count in counts)

    async def watchers_of(self, conversation_ids: Sequence[str]) -> dict[str, int]:
        """The same for many conversations, by their ids."""
        channels = {self._keys.conversation(name).live.encode(): name for name in conversation_ids}
        found = Counter[str]()
        if not channels:
            return found
        everywhere = {"target_nodes": RedisCluster.ALL_NODES} if self._client.clustered else {}
        counts: Reply = await self._client.retry(lambda: self._client.redis.pubsub_numsub(*channels, **everywhere))
        for channel, count in counts:
            found[channels[channel]] += int(count)
        return found

    def coalescing_delay(self, conversation_id: str) -> float:
        """Seconds by which this conversation's next event may come later and still leave with the next tick.

        It is 0 while few conversations are active, and leaves some time before the tick. The source of the events,
        such as a stream from a model, need not be read meanwhile: one large piece costs little more than a small one.
        """
        now = asyncio.get_running_loop().time()
        if self._active_until.get(conversation_id, 0.0) <= now and conversation_id not in self._in_flight:
            return 0.0
        tick = self._next_tick
        if tick <= now and self._sending is not None:
            tick = now + self._interval
        return max(0.0, tick - INTERVAL_SECONDS - now)

    def take(self, conversation_id: str) -> list[WireEvent]:
        """Remove and return what waits for this conversation, so that it can travel in an append's notice."""
        self._urgent.discard(conversation_id)
        buffer = self._buffers.pop(conversation_id, None)
        return [] if buffer is None else list(buffer.events)

    async def settle(self, conversation_id: str) -> None:
        """Wait until nothing of this conversation is in flight, so that a notice cannot overtake it."""
        while conversation_id in self._in_flight and self._sending is not None:
            await asyncio.wait({self._sending})

    async def flush(self) -> None:
        """Send everything now, and return when it has left (or was dropped)."""
        while self._sending is not None or self._buffers:
            if self._sending is None:
                self._send_batch(list(self._buffers))
            if self._sending is not None:
                await asyncio.wait({self._sending})

    async def aclose(self) -> None:
        """Send what there is; events published later are ignored."""
        self._closed = True
        await self.flush()

    @property
    def _is_quiet(self) -> bool:
        """Whether few conversations are active: then the first piece of each answer leaves at once."""
        return self._interval < MAX_QUIET_INTERVAL * INTERVAL_SECONDS

    def _arm(self) -> None:
        """Make sure that a flush is coming, and early enough."""
        if self._sending is not None or not self._buffers:
            return  # the end of the batch arms again
        loop = asyncio.get_running_loop()
        due = loop.time() if self._urgent else self._next_tick
        if self._timer is not None:
            if self._due <= due:
                return
            self._timer.cancel()
        self._due = due  # uvloop's handles for "at once" do not tell when they are due
        self._timer = loop.call_at(due, self._fire)

    def _fire(self) -> None:
        self._timer = None
        is_tick = asyncio.get_running_loop().time() + TIMER_TOLERANCE_SECONDS >= self._next_tick
        due = list(self._buffers if is_tick else self._urgent)
        if due:
            self._send_batch(due)
        else:  # what was due has been taken meanwhile
            self._arm()

    def _send_batch(self, conversation_ids: Iterable[str]) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._in_flight = frozenset(conversation_ids)
        self._urgent -= self._in_flight
        messages = []
        for conversation_id in self._in_flight:
            keys = self._keys.conversation(conversation_id)
            buffer = self._buffers.pop(conversation_id)
            try:
                messages.append((keys.live, keys.meta, buffer.payload()))
            except TypeError:
                log.exception("dropped live events of %s that are not JSON", conversation_id)
        self._sending = asyncio.get_running_loop().create_task(self._send(messages))

    async def _send(self, messages: list[tuple[str, str, bytes]]) -> None:
        loop = asyncio.get_running_loop()
        started = loop.time()
        pause = MAX_INTERVAL_SECONDS
        try:
            await self._client.publish(messages)
            pause = 2 * (loop.time() - started)
        except (RedisError, *TRANSIENT_ERRORS) as error:
            log.warning("dropped live events of %d conversations: %s", len(messages), error)
        finally:
            self._sending = None
        self._finish_batch(loop.time(), pause)

    def _finish_batch(self, now: float, pause: float) -> None:
        active = {name: until for name, until in self._active_until.items() if until > now}
        interval = INTERVAL_SECONDS + INTERVAL_SECONDS_EACH * len(active.keys() | self._in_flight)
        self._interval = min(max(interval, pause), MAX_INTERVAL_SECONDS)
        if self._next_tick <= now:  # else urgent batches would put it off for ever
            self._next_tick = now + self._interval
        self._active_until = active | dict.fromkeys(self._in_flight, now + self._interval)
        self._in_flight = frozenset()
        self._arm()

"""The lossy half of a conversation: live events, sent at once when the channel is quiet, else coalesced."""

import asyncio
import logging
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import orjson
from redis.asyncio import RedisCluster
from redis.exceptions import RedisError

from store.client.client import OUTAGES, Client, Reply
from store.keys import Keys

log = logging.getLogger(__name__)

Event = dict[str, Any]

INTERVAL = 0.015
INTERVAL_EACH = 0.0005
"""So much longer for each conversation that talks at the time: its readers have all of them to show."""
LONGEST_INTERVAL = 0.25
CLOCK = 0.001
"""So much early a timer may fire: uvloop's count whole milliseconds."""
DELTAS = frozenset({"text_delta", "thinking_delta"})
ANNOUNCING = frozenset({"state_changed"})
"""What these announce comes right behind them: they go with it, or else the first piece of an answer had to wait."""
MAX_EVENTS = 256
MAX_CONVERSATIONS = 4096
MAX_MERGED_CHARACTERS = 16_384


@dataclass(slots=True)
class Buffer:
    """What one conversation has to say at the next flush; the oldest events fall out of a full one."""

    epoch: int
    events: deque[Event] = field(default_factory=lambda: deque(maxlen=MAX_EVENTS))

    def add(self, event: Event) -> None:
        """Append an event, or merge a delta into the one it continues."""
        if self.events and _continues(event, self.events[-1]):
            last = self.events[-1]
            # A new dict: the events belong to the caller.
            self.events[-1] = {**event, "index": last["index"], "text": last["text"] + event["text"]}
        else:
            self.events.append(event)

    def payload(self) -> bytes:
        """What goes out on the channel."""
        return orjson.dumps({"epoch": self.epoch, "events": list(self.events)})


def _continues(event: Event, last: Event) -> bool:
    return (
        event["type"] in DELTAS
        and event["type"] == last["type"]
        and event["message_id"] == last["message_id"]
        and event["index"] == last["next"]
        and len(last["text"]) < MAX_MERGED_CHARACTERS
    )


class LivePublisher:
    """Publishes the live events of all conversations of this process; publishing never blocks and never raises.

    One flight carries whatever is due. While it is under way events gather, and the pause after it grows with the
    time it took and with the conversations that talk: under load fewer and larger messages leave. When Redis is away,
    events are dropped.
    """

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._keys = keys
        self._buffers: dict[str, Buffer] = {}
        self._urgent: set[str] = set()
        self._busy_until: dict[str, float] = {}
        self._interval = INTERVAL
        self._next_tick = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._flight: asyncio.Task[None] | None = None
        self._aboard: frozenset[str] = frozenset()
        self._closed = False

    def publish(self, conversation_id: str, epoch: int, event: Event) -> None:
        """Send an event to whoever listens, soon. Must be called on the event loop."""
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
        elif self._busy_until.get(conversation_id, 0.0) <= now:
            self._urgent.add(conversation_id)
        self._arm()

    async def watchers(self, conversation_id: str) -> int:
        """How many processes listen to a conversation now, on whichever node. Raises StoreUnavailable."""
        channel = self._keys.conversation(conversation_id).live
        everywhere = {"target_nodes": RedisCluster.ALL_NODES} if self._client.clustered else {}
        counts: Reply = await self._client.ask(lambda: self._client.redis.pubsub_numsub(channel, **everywhere))
        return sum(int(count) for _, count in counts)

    def coalescing_delay(self, conversation_id: str) -> float:
        """Seconds by which this conversation's next event may come later and still leave with the next tick.

        It is 0 while few talk, and leaves time before the tick. Whoever reads what the events are made of may let it
        gather meanwhile: most of the work is the same for one piece of an answer as for ten.
        """
        now = asyncio.get_running_loop().time()
        if self._busy_until.get(conversation_id, 0.0) <= now and conversation_id not in self._aboard:
            return 0.0
        tick = self._next_tick
        if tick <= now and self._flight is not None:
            tick = now + self._interval
        return max(0.0, tick - INTERVAL - now)

    def take(self, conversation_id: str) -> list[Event]:
        """Remove and return what waits for this conversation, so that it can travel in an append's notice."""
        self._urgent.discard(conversation_id)
        buffer = self._buffers.pop(conversation_id, None)
        return [] if buffer is None else list(buffer.events)

    async def settle(self, conversation_id: str) -> None:
        """Wait until nothing of this conversation is under way, so that a notice cannot overtake it."""
        while conversation_id in self._aboard and self._flight is not None:
            await asyncio.wait({self._flight})

    async def flush(self) -> None:
        """Send everything now, and return when it has left (or was dropped)."""
        while self._flight is not None or self._buffers:
            if self._flight is None:
                self._depart(list(self._buffers))
            if self._flight is not None:
                await asyncio.wait({self._flight})

    async def aclose(self) -> None:
        """Send what there is; what is published afterwards is nobody's."""
        self._closed = True
        await self.flush()

    def _arm(self) -> None:
        """Make sure that a flush is coming, and early enough."""
        if self._flight is not None or not self._buffers:
            return  # the end of the flight arms again
        loop = asyncio.get_running_loop()
        due = loop.time() if self._urgent else self._next_tick
        if self._timer is not None:
            if self._due <= due:
                return
            self._timer.cancel()
        self._due = due  # uvloop's handles for "at once" cannot tell it
        self._timer = loop.call_at(due, self._fire)

    def _fire(self) -> None:
        self._timer = None
        everything = asyncio.get_running_loop().time() + CLOCK >= self._next_tick
        aboard = list(self._buffers if everything else self._urgent)
        if aboard:
            self._depart(aboard)
        else:  # what was due has been taken meanwhile
            self._arm()

    def _depart(self, conversation_ids: Iterable[str]) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._aboard = frozenset(conversation_ids)
        self._urgent -= self._aboard
        messages = []
        for conversation_id in self._aboard:
            keys = self._keys.conversation(conversation_id)
            buffer = self._buffers.pop(conversation_id)
            try:
                messages.append((keys.live, keys.meta, buffer.payload()))
            except TypeError:
                log.exception("dropped live events of %s that are not JSON", conversation_id)
        self._flight = asyncio.get_running_loop().create_task(self._fly(messages))

    async def _fly(self, messages: list[tuple[str, str, bytes]]) -> None:
        loop = asyncio.get_running_loop()
        started = loop.time()
        pause = LONGEST_INTERVAL
        try:
            await self._client.publish(messages)
            pause = 2 * (loop.time() - started)
        except (RedisError, *OUTAGES) as error:
            log.warning("dropped live events of %d conversations: %s", len(messages), error)
        finally:
            self._flight = None
        self._land(loop.time(), pause)

    def _land(self, now: float, pause: float) -> None:
        busy = {name: until for name, until in self._busy_until.items() if until > now}
        unhurried = INTERVAL + INTERVAL_EACH * len(busy.keys() | self._aboard)
        self._interval = min(max(unhurried, pause), LONGEST_INTERVAL)
        if self._next_tick <= now:  # else urgent flights would put it off for ever
            self._next_tick = now + self._interval
        self._busy_until = busy | dict.fromkeys(self._aboard, now + self._interval)
        self._aboard = frozenset()
        self._arm()

"""One conversation's log and live channel, spoken to in events: where meaning meets the store."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Self

import orjson

from agents.clock import now_ms
from agents.codec import VERSION, decode, encode, wire, wire_live
from agents.conversation.history import History
from agents.conversation.streaming_message import StreamingMessage
from agents.errors import Superseded, UnreadableRecord
from agents.models import TextChunk, ThinkingChunk
from agents.receipt import Receipt
from agents.turn import Event, Facts, Logged, StepResult, fsm_state
from agents.turn.commands import Append, Broadcast
from agents.turn.events import StatePatch, Summary, UserMsg
from agents.turn.live import LiveEvent
from agents.turn.snapshot import restore_snapshot
from store import ConversationNotFound, Fenced, Store, StoreError
from store.log.log import Exit
from store.records import Claim

NO_EXPIRY = 2**53
"""The due time (ms) of a turn that waits for ever: the sweep never reaches it."""

MAX_PAGE_EVENTS = 100
"""How many events of the log are read at once in search of an old turn."""

PROOF_SECONDS = 0.02
"""How long a proof of ownership holds: longer than it takes from an append to its effects, and less than another
incarnation needs to take up a turn."""


class Journal:
    """Writes under one claim; every call fails with `store.Fenced` once a newer incarnation has claimed."""

    def __init__(self, store: Store, claim: Claim, clock: Callable[[], int] = now_ms) -> None:
        self._store = store
        self._clock = clock
        self.progress_at = 0
        """When (ms) something was last written or told, by any incarnation."""
        self.conversation_id = claim.conversation_id
        self.epoch = claim.epoch
        self.meta = claim.meta
        self.archived_seq = claim.meta.archived_seq or 0
        self.lost = claim.lost
        """How many incarnations in a row have died at the turn that is unfinished."""
        self.ownership = Ownership(store, claim.conversation_id, claim.epoch)
        self._leaving: asyncio.Task[None] | None = None
        self._touching: asyncio.Task[None] | None = None
        self._held: list[Callable[[], None]] | None = None

    @classmethod
    async def open(
        cls, store: Store, conversation_id: str, place: str, cluster: str, clock: Callable[[], int] = now_ms
    ) -> Self:
        """Claim the log for a writer that lives at `place` in `cluster`; raises `store.ConversationNotFound`.

        Raises `store.NewerFormat`, and leaves the conversation as it is, if newer code has written to it.
        """
        return cls(store, await store.log.claim(conversation_id, place, cluster=cluster, reads=VERSION), clock)

    async def replay(self) -> History:
        """The working set: the latest summary and the log behind what it covers, or else the whole log."""
        if self.meta.summary_seq is None:
            return History(Facts(), None, await self._read(0))
        [record] = await self._store.log.read(self.conversation_id, after=self.meta.summary_seq - 1, limit=1)
        summary = decode(record).event
        if not isinstance(summary, Summary):
            raise UnreadableRecord(record.seq, "it should be a summary")
        return History(restore_snapshot(summary.base, summary.after), summary, await self._read(summary.after))

    async def archive(self, upto: int) -> None:
        """Move what is older than seq `upto` to the archive, as far as it fills segments there."""
        self.archived_seq = await self._store.log.move_to_archive(
            (self.conversation_id, self.epoch), self.archived_seq, upto
        )

    async def receipt(self, client_id: str) -> Receipt | None:
        """How a message that may be older than the working set was answered."""
        seq = await self._store.log.seq_of(self.conversation_id, client_id)
        return None if seq is None else await self.receipt_at(seq)

    async def receipt_at(self, seq: int) -> Receipt:
        """The receipt of the message that stands at `seq`."""
        [record] = await self._store.log.read(self.conversation_id, after=seq - 1, limit=1)
        return Receipt(seq, decode(record).event.turn, duplicate=True)

    async def read_turn(self, turn: int, upto: int) -> list[Event]:
        """The events of a turn that ended at seq `upto` or earlier, oldest first; for one behind the last summary."""
        events: list[Event] = []
        before = upto + 1
        while records := await self._store.log.read_back(self.conversation_id, before=before, limit=MAX_PAGE_EVENTS):
            page = [decode(record).event for record in records]
            events = [*(event for event in page if event.turn == turn), *events]
            if page[0].turn < turn:
                break
            before = records[0].seq
        return events

    async def append(self, step: StepResult, now: int, ended: StreamingMessage | None = None) -> list[Logged]:
        """Make the events of a step durable and tell the watchers, in one write; without events there is none.

        What waits for the watchers goes first, so that a message's last words precede its end. What is published while
        the write is under way is held until it is done, so that watchers get everything in order. Chunks of the message
        that has `ended` with these events come too late for the log: they are dropped, and no watcher sees them.

        A lost connection is waited out: the outcome is known when this returns.
        """
        events = [event for command in step.commands if isinstance(command, Append) for event in command.events]
        live = [command.event for command in step.commands if isinstance(command, Broadcast)]
        if not events:
            for event in live:
                self.publish(event)
            return []
        held: list[Callable[[], None]] = []
        self._held = held
        try:
            logged = await self._write(events, step.machine.facts, live, now)
            if ended is not None:
                ended.is_over = True
            return logged
        finally:
            self._held = None
            for publish in held:
                publish()

    async def leave(self, how: Exit) -> None:
        """Note how this incarnation ends. Without it, the next one takes this one for lost."""
        with suppress(StoreError):
            await self._store.log.leave((self.conversation_id, self.epoch), how)

    def leave_soon(self, how: Exit) -> None:
        """The same in the background."""
        self._leaving = asyncio.create_task(self.leave(how))

    def publish(self, event: LiveEvent) -> None:
        """Tell the watchers, soon and without a promise."""
        self.progress_at = self._clock()
        if self._held is None:
            self._send(event)
        else:
            self._held.append(partial(self._send, event))

    def publish_chunk(self, message: StreamingMessage, chunk: TextChunk | ThinkingChunk) -> None:
        """Let the message grow by a chunk and tell the watchers; both later, while an append is under way."""
        self.progress_at = self._clock()
        if self._held is None:
            self._grow(message, chunk)
        else:
            self._held.append(partial(self._grow, message, chunk))

    def coalescing_delay(self) -> float:
        """Seconds by which the next event may be published later without reaching any watcher later."""
        return self._store.live.coalescing_delay(self.conversation_id)

    def _send(self, event: LiveEvent) -> None:
        self._store.live.publish(self.conversation_id, self.epoch, self._wire_live(event))

    def _grow(self, message: StreamingMessage, chunk: TextChunk | ThinkingChunk) -> None:
        if not message.is_over:
            self._send(message.add(chunk))

    async def _write(self, events: Sequence[Event], facts: Facts, live: Sequence[LiveEvent], now: int) -> list[Logged]:
        first = facts.last_seq - len(events) + 1
        logged = [Logged(first + i, now, event) for i, event in enumerate(events)]
        stored = [encode(event, now) for event in events]
        shown = [wire(record, entry.seq, self.conversation_id) for record, entry in zip(stored, logged, strict=True)]
        await self._store.live.settle(self.conversation_id)
        notice = [*self._store.live.take(self.conversation_id), *shown, *map(self._wire_live, live)]
        asked_at = _uptime()
        await self._store.log.append(
            (self.conversation_id, self.epoch),
            [orjson.dumps(record) for record in stored],
            expected_last_seq=first - 1,
            state=orjson.dumps(fsm_state(facts)),
            due_at=_due_at(facts, now),
            now=now,
            notice=orjson.dumps({"epoch": self.epoch, "events": notice}),
            client_ids=_client_ids(logged),
            summary_seq=next((entry.seq for entry in logged if isinstance(entry.event, Summary)), None),
            is_progress=not all(isinstance(event, StatePatch | Summary | UserMsg) for event in events),
        )
        self.ownership.prove(asked_at)
        self.progress_at = now
        if any(isinstance(event, UserMsg) for event in events):
            self._touching = asyncio.create_task(self._touch(now))  # beside the turn, which need not wait for it
        return logged

    async def _touch(self, now: int) -> None:
        """Move the conversation to the front of its owner's list; if that fails, the next message does it."""
        with suppress(StoreError):
            await self._store.registry.touch(self.meta.principal, self.conversation_id, now)

    async def _read(self, after: int) -> list[Logged]:
        logged = [decode(record) for record in await self._store.log.read(self.conversation_id, after=after)]
        self.progress_at = logged[-1].at if logged else 0
        return logged

    def _wire_live(self, event: LiveEvent) -> dict[str, object]:
        return wire_live(event, self.conversation_id)


class Ownership:
    """Whether this incarnation still owns its conversation: confirmed before an effect that no append has just allowed.

    An append proves it, since a fenced one fails. But a process may be stopped between the append of a call and its
    execution, for so long that another incarnation takes up the conversation and makes the call. So a proof holds for a
    moment only. What remains is the time between the question and the effect itself. Only the tool can close that gap:
    it takes the `tool_call_id` as its idempotency key.

    A refusal is such an effect too: it speaks for the log, which may have gone on elsewhere.
    """

    def __init__(self, store: Store, conversation_id: str, epoch: int) -> None:
        self._store = store
        self._writer = (conversation_id, epoch)
        self._proven_at = float("-inf")

    def prove(self, asked_at: float) -> None:
        """Note that the store has confirmed it, when asked at that time (by `_uptime`)."""
        self._proven_at = asked_at

    async def confirm(self) -> None:
        """Return if it holds now, waiting for the store if need be. Raises `agents.errors.Superseded`."""
        asked_at = _uptime()
        if asked_at - self._proven_at <= PROOF_SECONDS:
            return
        try:
            await self._store.log.confirm(self._writer)
        except (Fenced, ConversationNotFound) as error:
            raise Superseded(self._writer[0]) from error
        self.prove(asked_at)


def _uptime() -> float:
    """Seconds that go on while the process, or the whole machine, is suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _client_ids(logged: Sequence[Logged]) -> dict[str, int]:
    messages = ((entry.event, entry.seq) for entry in logged if isinstance(entry.event, UserMsg))
    return {message.client_id: seq for message, seq in messages if message.client_id}


def _due_at(facts: Facts, now: int) -> int | None:
    """When the sweep must look after this turn if its owner does not: now, or at its next expiry; None at rest."""
    if not facts.running:
        return None
    if facts.calls and not facts.dispatched:
        return NO_EXPIRY if facts.next_expiry is None else facts.next_expiry
    return now

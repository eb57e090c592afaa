"""One conversation's log and live channel, spoken to in events: where meaning meets the store."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Self

import orjson

from agents.clock import now_ms
from agents.codec import VERSION, decode, encode, wire, wire_live
from agents.conversation import ownership
from agents.conversation.history import History
from agents.errors import UnreadableRecord
from agents.receipt import Receipt
from agents.turn import Event, Facts, Logged, fsm_state
from agents.turn.events import Summary, UserMsg
from agents.turn.live import LiveEvent
from agents.turn.snapshot import restore_snapshot
from store import Store, StoreError
from store.records import Claim

NO_EXPIRY = 2**53
"""The due time (ms) of a turn that waits for ever: the sweep never reaches it."""


class Journal:
    """Writes under one claim; every call fails with `store.Fenced` once a newer incarnation has claimed."""

    def __init__(self, store: Store, claim: Claim, clock: Callable[[], int] = now_ms) -> None:
        self._store = store
        self._clock = clock
        self.progress_at = 0
        """When (ms) something was last written or told, whichever incarnation did it."""
        self.conversation_id = claim.conversation_id
        self.epoch = claim.epoch
        self.meta = claim.meta
        self.archived_seq = claim.meta.archived_seq or 0
        self.ownership = ownership.Ownership(store, claim.conversation_id, claim.epoch)
        self._touching: asyncio.Task[None] | None = None
        self._held: list[LiveEvent] | None = None

    @classmethod
    async def open(
        cls, store: Store, conversation_id: str, place: str, cluster: str, clock: Callable[[], int] = now_ms
    ) -> Self:
        """Claim the log for a writer that lives at `place` in `cluster`; raises `store.ConversationNotFound`.

        Raises `store.NewerFormat` for a conversation that newer code has had: it is left as it is.
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

    async def append(
        self,
        events: Sequence[Event],
        facts: Facts,
        live: Sequence[LiveEvent],
        now: int,
    ) -> list[Logged]:
        """Append `events`, which lead to `facts`, and tell the watchers in the same step.

        What was buffered for the watchers goes first, so that an answer's last words precede its end; what is
        published meanwhile is held back, so that nobody reads words that come too late to be logged. A lost
        connection is waited out: the outcome is known when this returns.
        """
        held: list[LiveEvent] = []
        self._held = held
        try:
            return await self._append(events, facts, live, now)
        finally:
            self._held = None
            for event in held:
                self.publish(event)

    def publish(self, event: LiveEvent) -> None:
        """Tell the watchers, soon and without a promise."""
        self.progress_at = self._clock()
        if self._held is not None:
            self._held.append(event)
        else:
            self._store.live.publish(self.conversation_id, self.epoch, self._wire_live(event))

    def coalescing_delay(self) -> float:
        """Seconds by which what is published next may come later, without anybody seeing it later."""
        return self._store.live.coalescing_delay(self.conversation_id)

    async def _append(self, events: Sequence[Event], facts: Facts, live: Sequence[LiveEvent], now: int) -> list[Logged]:
        first = facts.last_seq - len(events) + 1
        logged = [Logged(first + i, now, event) for i, event in enumerate(events)]
        stored = [encode(event, now) for event in events]
        shown = [wire(record, entry.seq, self.conversation_id) for record, entry in zip(stored, logged, strict=True)]
        await self._store.live.settle(self.conversation_id)
        notice = [*self._store.live.take(self.conversation_id), *shown, *map(self._wire_live, live)]
        asked_at = ownership.now()
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
        )
        self.ownership.prove(asked_at)
        self.progress_at = now
        if any(isinstance(event, UserMsg) for event in events):
            self._touching = asyncio.create_task(self._touch(now))  # nobody waits for its round trip
        return logged

    async def _touch(self, now: int) -> None:
        """Move the conversation to the front of its owner's list; the next message mends what a failure leaves."""
        with suppress(StoreError):
            await self._store.registry.touch(self.meta.principal, self.conversation_id, now)

    async def _read(self, after: int) -> list[Logged]:
        logged = [decode(record) for record in await self._store.log.read(self.conversation_id, after=after)]
        self.progress_at = logged[-1].at if logged else 0
        return logged

    def _wire_live(self, event: LiveEvent) -> dict[str, object]:
        return wire_live(event, self.conversation_id)


def _client_ids(logged: Sequence[Logged]) -> dict[str, int]:
    messages = ((entry.event, entry.seq) for entry in logged if isinstance(entry.event, UserMsg))
    return {message.client_id: seq for message, seq in messages if message.client_id}


def _due_at(facts: Facts, now: int) -> int | None:
    """When somebody must look after this turn if its owner does not: now, or at its next expiry; None at rest."""
    if not facts.running:
        return None
    if facts.calls and not facts.dispatched:
        return NO_EXPIRY if facts.next_expiry is None else facts.next_expiry
    return now

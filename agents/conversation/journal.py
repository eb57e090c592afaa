"""One conversation's log and live channel, spoken to in events: where meaning meets the store."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Self

import orjson
import structlog

from agents.clock import now_ms
from agents.codec import VERSION, decode, encode, wire, wire_live
from agents.conversation.feed_notices import notices
from agents.conversation.history import Decided, History, decisions_in
from agents.conversation.ownership import Ownership, uptime
from agents.conversation.running_turn import newest_first, oldest_first, replay_turn
from agents.conversation.streaming_message import StreamingMessage
from agents.errors import UnreadableRecord
from agents.models import TextChunk, ThinkingChunk
from agents.receipt import Receipt
from agents.turn import Event, Facts, Logged, StepResult, fsm_state
from agents.turn.commands import Append, Broadcast
from agents.turn.events import Delivered, StatePatch, Summary, Suspension, ToolCall, ToolResult, TurnEnded, UserMsg
from agents.turn.live import LiveEvent
from agents.turn.machine import CANCELLED_BY_PERSON
from agents.turn.snapshot import restore_snapshot
from agents.turn.states import ExitReason
from store import Fenced, Store, StoreError
from store.feed.entry import Notice
from store.records import Claim

log = structlog.get_logger(__name__)

NO_EXPIRY = 2**53
"""The due time (ms) of a turn that waits for ever: the sweep never reaches it."""

RESERVED = "\0"
"""How the ids of decisions, cancels and deliveries begin, which stand among the client ids; no message's does."""

MAX_PAGE_EVENTS = 100
"""How many events of the log are read at once in search of an old turn."""


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
        self.ownership = Ownership(store, claim.conversation_id, claim.epoch)
        self._leaving: asyncio.Task[None] | None = None
        self._touching: asyncio.Task[None] | None = None
        self._held: list[Callable[[], None]] | None = None

    @classmethod
    async def open(
        cls,
        store: Store,
        conversation_id: str,
        place: str,
        cluster: str,
        clock: Callable[[], int] = now_ms,
        current: int | None = None,
        *,
        alone: bool = False,
    ) -> Self:
        """Claim the log for a writer that lives at `place` in `cluster`, if `alone` with no other one in its process.

        Raises `store.ConversationNotFound`.

        Raises `store.NewerFormat`, and leaves the conversation as it is, if newer code has written to it; and
        `store.Fenced` if `current` is no longer the newest epoch.
        """
        claim = await store.log.claim(
            conversation_id, place, cluster=cluster, reads=VERSION, current=current, alone=alone
        )
        return cls(store, claim, clock)

    async def replay(self) -> History:
        """The working set: the latest summary and the log behind what it covers, or else the whole log."""
        if self.meta.summary_seq is None:
            return History(Facts(), None, await self._read(0) if self.meta.last_seq else [])
        [record] = await self._store.log.read(self.conversation_id, after=self.meta.summary_seq - 1, limit=1)
        summary = decode(record).event
        if not isinstance(summary, Summary):
            raise UnreadableRecord(record.seq, "it should be a summary")
        return History(restore_snapshot(summary.base, summary.after), summary, await self._read(summary.after))

    async def replay_turn(self) -> History:
        """The turn that runs or waits, however long the log is: enough to decide on an answer to it, or on its cancel.

        The facts lack what only a new message needs: the totals, the states of the middleware, how often the agent has
        started itself.
        """
        return await replay_turn(self._store, self.conversation_id)

    async def mend_state(self, facts: Facts) -> None:
        """Write the cached state, and when the sweep must look, anew if the cache is not what the log says."""
        state = orjson.dumps(fsm_state(facts))
        if state == self.meta.state or (self.meta.state is None and not facts.last_seq):
            return
        with suppress(Fenced):  # then the newer incarnation has mended it
            await self._store.log.append(
                (self.conversation_id, self.epoch),
                [],
                expected_last_seq=facts.last_seq,
                state=state,
                due_at=due_at(facts, self._clock()),
                now=self.meta.updated_at,
                is_progress=False,
            )

    async def archive(self, upto: int) -> None:
        """Move what is older than seq `upto` to the archive, as far as it fills segments there."""
        self.archived_seq = await self._store.log.move_to_archive(
            (self.conversation_id, self.epoch), self.archived_seq, upto
        )

    async def receipt(self, client_id: str) -> Receipt | None:
        """How a message that may be older than the working set was answered."""
        seq = await self._store.log.seq_of(self.conversation_id, client_id)
        return None if seq is None else await self.receipt_at(seq)

    async def receipt_of_cancel(self, turn: int) -> Receipt | None:
        """How the cancel that ended this turn was answered, however old it is."""
        return await self.receipt(id_of_cancel(turn))

    async def decisions(self, tool_call_id: str) -> Sequence[Decided]:
        """What people have decided about this call, newest first, however old it is; only its own turn is read."""
        asked_at = await self._store.log.seq_of(self.conversation_id, id_of_call(tool_call_id))
        if asked_at is None:
            return ()
        call: list[Logged] = []
        async for entry in newest_first(self._store, self.conversation_id, asked_at):
            call.insert(0, entry)
            if isinstance(entry.event, ToolCall) and entry.event.tool_call_id == tool_call_id:
                break
        async for entry in oldest_first(self._store, self.conversation_id, asked_at - 1):
            call.append(entry)
            if isinstance(entry.event, ToolResult) and entry.event.tool_call_id == tool_call_id:
                break
        return decisions_in(call, tool_call_id)

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

    async def append(
        self,
        before: Facts,
        step: StepResult,
        now: int,
        ended: StreamingMessage | None = None,
        span: str | None = None,
    ) -> list[Logged]:
        """Make the events of a step durable, tell the watchers and the feed: one write, or none without events.

        What waits for the watchers goes first, so that a message's last words precede its end. What is published while
        the write is under way is held until it is done, so that watchers get everything in order. Chunks of the message
        that has `ended` with these events come too late for the log: they are dropped, and no watcher sees them.
        `span` is noted as that of the unfinished turn: None leaves what is noted, an empty text removes it.

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
            told = notices(before, events, self.meta.agent)
            logged = await self._write(events, step.machine.facts, live, told, now, span)
            if ended is not None:
                ended.is_over = True
            return logged
        finally:
            self._held = None
            for publish in held:
                publish()

    async def leave(self, reason: ExitReason) -> None:
        """Note why this incarnation ends. Without it, the next one takes this one for lost."""
        if reason is not ExitReason.SHUTDOWN:  # with its whole process, of which a script says nothing
            log.info("incarnation_left", conversation_id=self.conversation_id, reason=reason.value)
        with suppress(StoreError):
            await self._store.log.leave((self.conversation_id, self.epoch), reason.value)

    def leave_soon(self, reason: ExitReason) -> None:
        """The same in the background."""
        self._leaving = asyncio.create_task(self.leave(reason))

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

    async def _write(
        self,
        events: Sequence[Event],
        facts: Facts,
        live: Sequence[LiveEvent],
        told: Sequence[Notice],
        now: int,
        span: str | None,
    ) -> list[Logged]:
        first = facts.last_seq - len(events) + 1
        logged = [Logged(first + i, now, event) for i, event in enumerate(events)]
        stored = [encode(event, now) for event in events]
        shown = [wire(record, entry.seq, self.conversation_id) for record, entry in zip(stored, logged, strict=True)]
        await self._store.live.settle(self.conversation_id)
        notice = [*self._store.live.take(self.conversation_id), *shown, *map(self._wire_live, live)]
        asked_at = uptime()
        with self._store.usage.taken(self.conversation_id) as used:
            await self._store.log.append(
                (self.conversation_id, self.epoch),
                [orjson.dumps(record) for record in stored],
                expected_last_seq=first - 1,
                state=orjson.dumps(fsm_state(facts)),
                due_at=due_at(facts, now),
                now=now,
                notice=orjson.dumps({"epoch": self.epoch, "events": notice}),
                feed=told,
                client_ids=receipt_ids(logged, facts),
                summary_seq=next((entry.seq for entry in logged if isinstance(entry.event, Summary)), None),
                is_progress=not all(isinstance(event, StatePatch | Summary | Delivered | UserMsg) for event in events),
                restores=any(isinstance(event, UserMsg) and event.origin == "user" for event in events),
                used=used,
                trace=span,
            )
        self.ownership.prove(asked_at)
        self.progress_at = now
        if self.meta.parent is None and any(isinstance(event, UserMsg) for event in events):
            self._touching = asyncio.create_task(self._touch(now))  # beside the turn, which need not wait for it
        return logged

    async def _touch(self, now: int) -> None:
        """Move the conversation to the front of its people's lists; if that fails, the next message does it."""
        with suppress(StoreError):
            await self._store.lists.touch(self.meta.principal, self.conversation_id, now)
            await self._store.lists.touch_shared(self.meta.members, self.conversation_id, now)

    async def _read(self, after: int) -> list[Logged]:
        logged = [decode(record) for record in await self._store.log.read(self.conversation_id, after=after)]
        self.progress_at = logged[-1].at if logged else 0
        return logged

    def _wire_live(self, event: LiveEvent) -> dict[str, object]:
        return wire_live(event, self.conversation_id)


def receipt_ids(logged: Sequence[Logged], facts: Facts) -> dict[str, int]:
    """By what a repeated command is found: a message by its client id, an answer by its call, a cancel by its turn.

    A delivery is found by its chain. `facts` are those after these events.
    """
    found: dict[str, int] = {}
    for entry in logged:
        if (name := receipt_id(entry.event)) is not None and not _asks_again(entry, facts):
            found[name] = entry.seq
    return found


def receipt_id(event: Event) -> str | None:
    """By what a repetition of the command is found that has led to this event; a call, by its first question."""
    match event:
        case UserMsg(client_id=str(client_id)) if client_id:
            return client_id
        case Suspension(tool_call_id=tool_call_id):
            return id_of_call(tool_call_id)
        case TurnEnded(reason=reason, turn=turn) if reason == CANCELLED_BY_PERSON:
            return id_of_cancel(turn)
        case Delivered(chain=chain):
            return f"{RESERVED}delivered {chain}"
    return None


def _asks_again(entry: Logged, facts: Facts) -> bool:
    """Whether it is a question of a call that has asked before, or is over already."""
    if not isinstance(entry.event, Suspension):
        return False
    call = facts.calls.get(entry.event.tool_call_id)
    return call is None or call.asked != entry.seq


def id_of_call(tool_call_id: str) -> str:
    """By which the first question of a call is found in the store."""
    return f"{RESERVED}call {tool_call_id}"


def id_of_cancel(turn: int) -> str:
    """By which the receipt of the cancel that ended this turn is found in the store."""
    return f"{RESERVED}cancel {turn}"


def due_at(facts: Facts, now: int) -> int | None:
    """When the sweep must look after this turn if its owner does not: now, or at its next expiry; None at rest."""
    if not facts.running:
        return None
    if facts.calls and not facts.dispatched:
        return NO_EXPIRY if facts.next_expiry is None else facts.next_expiry
    return now

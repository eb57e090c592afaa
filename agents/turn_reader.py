"""Reads one turn out of a log of any length, and with it the turns of the sub-agents that worked for it."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from agents.codec import decode
from agents.middleware.sub_agent.log_reader import read_turn_of
from agents.timeline import Timeline
from agents.turn.events import Logged, TurnEnded, UserMsg
from store import ConversationMeta, Store

PAGE = 128
MAX_EVENTS = 5_000
"""So many events of a turn are told of, those of sub-agents included."""


async def read_timeline(store: Store, meta: ConversationMeta, turn: int | None) -> Timeline | None:
    """The time line of a turn (None: of the newest); None if there is no such turn. Raises what reading raises."""
    wanted = await newest_turn(store, meta.id) if turn is None else turn
    if wanted is None:
        return None
    budget = Budget(MAX_EVENTS)
    timeline = await _read(store, meta, wanted, budget)
    return timeline if timeline.parts else None


@dataclass
class Budget:
    """How many events may still be read."""

    left: int


async def newest_turn(store: Store, conversation_id: str) -> int | None:
    """The turn that has begun last; a message that waits for the next one does not count."""
    records = await store.log.read_back(conversation_id, limit=PAGE)
    events = [decode(record).event for record in reversed(records)]
    begun = (event.turn for event in events if not isinstance(event, UserMsg))
    return next(begun, events[0].turn if events else None)


async def _read(store: Store, meta: ConversationMeta, turn: int, budget: Budget) -> Timeline:
    timeline = Timeline(meta.id, meta.agent, turn)
    async with aclosing(_entries(store, meta, turn)) as entries:
        async for entry, epoch in entries:
            if budget.left == 0:
                timeline.is_cut = True
                break
            budget.left -= 1
            timeline.add(entry, epoch)
    calls = {part.tool_call_id: part for part in timeline.parts if part.tool_call_id is not None}
    for child in await store.registry.children(meta.id) if calls else ():
        part = calls.get(child.parent_call or "")
        if part is None or child.parent_call is None or budget.left == 0:
            continue
        own = await read_turn_of(store, child.id, child.parent_call)
        if own is not None:
            part.turn = await _read(store, child, own, budget)
    return timeline


async def _entries(store: Store, meta: ConversationMeta, turn: int) -> AsyncGenerator[tuple[Logged, int | None], None]:
    """The events of the turn, oldest first."""
    after, has_ended = await _find(store, meta, turn), False
    while records := await store.log.read(meta.id, after=after, limit=PAGE):
        for record in records:
            entry = decode(record)
            if entry.event.turn == turn:
                has_ended = has_ended or isinstance(entry.event, TurnEnded)
                yield entry, record.epoch
            elif entry.event.turn > turn and (has_ended or not isinstance(entry.event, UserMsg)):
                return
        after = records[-1].seq


async def _find(store: Store, meta: ConversationMeta, turn: int) -> int:
    """A seq in front of the turn's first event, which is not far from it.

    Turns follow one another in a log. Only a message may stand before its turn, in the one before it that still ran.
    """
    low, high = 0, meta.last_seq
    while high - low > PAGE:
        middle = (low + high) // 2
        if await _turn_at(store, meta.id, middle) < turn - 1:
            low = middle
        else:
            high = middle
    return low


async def _turn_at(store: Store, conversation_id: str, seq: int) -> int:
    """The turn that ran at this seq."""
    [record] = await store.log.read(conversation_id, after=seq - 1, limit=1)
    event = decode(record).event
    waits = isinstance(event, UserMsg) and event.turn > 1
    return event.turn - 1 if waits else event.turn

"""The turn that runs or waits, read from the end of the log: a decision on it needs nothing of what was before."""

from collections.abc import AsyncIterator

from agents.codec import decode
from agents.conversation.history import History
from agents.turn import Facts, Logged
from agents.turn.events import StatePatch, Summary, TurnEnded, UserMsg
from store import Store

FIRST_PAGE_EVENTS, MAX_PAGE_EVENTS = 4, 256
"""Events per read, which grow from the first read on: mostly the newest few tell."""


async def newest_first(store: Store, conversation_id: str, before: int | None = None) -> AsyncIterator[Logged]:
    """The events of the log before seq `before` (None: all), read as far as they are asked for."""
    limit = FIRST_PAGE_EVENTS
    while records := await store.log.read_back(conversation_id, before=before, limit=limit):
        for record in reversed(records):
            yield decode(record)
        before, limit = records[0].seq, min(4 * limit, MAX_PAGE_EVENTS)


async def oldest_first(store: Store, conversation_id: str, after: int) -> AsyncIterator[Logged]:
    """The events of the log after seq `after`, read as far as they are asked for."""
    limit = FIRST_PAGE_EVENTS
    while records := await store.log.read(conversation_id, after=after, limit=limit):
        for record in records:
            yield decode(record)
        after, limit = records[-1].seq, min(4 * limit, MAX_PAGE_EVENTS)


async def replay_turn(store: Store, conversation_id: str) -> History:
    """The events since the newest end of a turn, and the facts that they lead to; see `Journal.replay_turn`."""
    found: list[Logged] = []
    base = Facts()
    async for entry in newest_first(store, conversation_id):
        if isinstance(entry.event, TurnEnded):
            base = await _facts_at_end(store, conversation_id, entry.seq, entry.event.turn, found)
            break
        found.append(entry)
    return History(base, None, reversed(found), is_cut=base.last_seq > 0)


async def _facts_at_end(store: Store, conversation_id: str, seq: int, ended: int, later: list[Logged]) -> Facts:
    """The facts after the end of the turn `ended`, which stands at `seq`.

    `later` are the events after it, newest first. A message that was held for the next turn stands before the end, and
    has begun it.
    """
    first = next((entry.event for entry in reversed(later) if not isinstance(entry.event, StatePatch | Summary)), None)
    if isinstance(first, UserMsg) and first.turn == ended + 1 and first.step == 1:
        return Facts(last_seq=seq, turn=ended)
    async for entry in newest_first(store, conversation_id, seq):
        match entry.event:
            case UserMsg(turn=turn, principal=principal) if turn == ended + 1:
                return Facts(last_seq=seq, turn=turn, running=True, principal=principal)
            case TurnEnded():
                break
    return Facts(last_seq=seq, turn=ended)

"""The turn that runs or waits, read from the end of the log: a decision on it needs nothing of what was before."""

from collections.abc import AsyncIterator

from agents.codec import decode
from agents.conversation.history import History
from agents.turn import Event, Facts, Logged, fold
from agents.turn.events import Delivered, StatePatch, Summary, TurnEnded, UserMsg
from agents.turn.facts import apply
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
            base = await _facts_at_end(store, conversation_id, entry, found)
            break
        found.append(entry)
    return History(base, None, reversed(found), is_cut=base.last_seq > 0)


async def _facts_at_end(store: Store, conversation_id: str, ended: Logged, later: list[Logged]) -> Facts:
    """The facts after the end of a turn.

    `later` are the events after it, newest first. Messages that were held then stand before it; the first of them have
    begun the next turn.
    """
    following = next((later_one.event for later_one in reversed(later) if _is_of_a_turn(later_one)), None)
    if _begins_from_rest(following, ended.event.turn + 1):
        return Facts(last_seq=ended.seq, turn=ended.event.turn)
    held: list[Logged] = []
    following = ended.event
    async for entry in newest_first(store, conversation_id, ended.seq):
        event = entry.event
        if isinstance(event, TurnEnded) and _begins_from_rest(following, event.turn + 1):
            break  # nothing was held when that turn had ended
        if isinstance(event, UserMsg) and event.turn > ended.event.turn:
            held.append(entry)
        following = event if _is_of_a_turn(entry) else following
    running = Facts(turn=ended.event.turn, running=True)
    return apply(fold(reversed(held), running), ended.event, ended.seq)


def _is_of_a_turn(entry: Logged) -> bool:
    return not isinstance(entry.event, StatePatch | Summary | Delivered)


def _begins_from_rest(event: Event | None, turn: int) -> bool:
    """Whether the first event after the end of a turn begins the next one: one that was held has begun it already."""
    return isinstance(event, UserMsg) and event.turn == turn and event.step == 1

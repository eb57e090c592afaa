"""What a command is meant for, read from the log before its first try: however often it is repeated, it is that."""

from collections.abc import AsyncIterator
from dataclasses import replace

from agents.codec import decode
from agents.turn import Logged
from agents.turn.events import StatePatch, Summary, Suspension, TurnEnded, UserMsg
from agents.turn.inputs import Resolve
from store import Store

FIRST_PAGE_EVENTS, MAX_PAGE_EVENTS = 4, 256
"""Events per read, which grow from the first read on: mostly the newest few tell."""

OF_NO_TURN = (UserMsg, StatePatch, Summary)
"""Events that may carry the number of a turn that does not run: it comes next, or has ended."""


async def name_question(store: Store, conversation_id: str, resolution: Resolve) -> Resolve:
    """The resolution with the seq of the question that it answers, if the call waits for an answer now."""
    if resolution.question is not None:
        return resolution
    async for entry in _newest_first(store, conversation_id):
        if isinstance(entry.event, TurnEnded):
            break
        if getattr(entry.event, "tool_call_id", None) == resolution.tool_call_id:
            return replace(resolution, question=entry.seq) if isinstance(entry.event, Suspension) else resolution
    return resolution


async def find_turn(store: Store, conversation_id: str) -> int:
    """The turn that runs or waits; if none does, the number of the next one."""
    async for entry in _newest_first(store, conversation_id):
        if not isinstance(entry.event, OF_NO_TURN):
            return entry.event.turn + isinstance(entry.event, TurnEnded)
    return 1


async def _newest_first(store: Store, conversation_id: str) -> AsyncIterator[Logged]:
    before, limit = None, FIRST_PAGE_EVENTS
    while records := await store.log.read_back(conversation_id, before=before, limit=limit):
        for record in reversed(records):
            yield decode(record)
        before, limit = records[0].seq, min(4 * limit, MAX_PAGE_EVENTS)

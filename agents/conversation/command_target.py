"""What a command is meant for, read from the log before its first try: however often it is repeated, it is that."""

from agents.codec import decode
from agents.turn.events import StatePatch, Summary, TurnEnded, UserMsg
from store import Store

FIRST_PAGE_EVENTS, MAX_PAGE_EVENTS = 4, 256
"""Events per read, which grow from the first read on: mostly the newest few tell."""

OF_NO_TURN = (UserMsg, StatePatch, Summary)
"""Events that may carry the number of a turn that does not run: it comes next, or has ended."""


async def find_turn(store: Store, conversation_id: str) -> int:
    """The turn that runs or waits; if none does, the number of the next one."""
    before, limit = None, FIRST_PAGE_EVENTS
    while records := await store.log.read_back(conversation_id, before=before, limit=limit):
        for event in (decode(record).event for record in reversed(records)):
            if not isinstance(event, OF_NO_TURN):
                return event.turn + isinstance(event, TurnEnded)
        before, limit = records[0].seq, min(4 * limit, MAX_PAGE_EVENTS)
    return 1

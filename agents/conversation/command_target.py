"""What a command is meant for, read from the log before its first try: however often it is repeated, it is that."""

from dataclasses import replace

from agents.conversation.journal import id_of_cancel
from agents.conversation.running_turn import newest_first
from agents.errors import Refused
from agents.receipt import Receipt
from agents.turn.events import Delivered, StatePatch, Summary, Suspension, TurnEnded, UserMsg
from agents.turn.inputs import Resolve
from agents.turn.machine import CANCELLED_BY_PERSON
from store import Store

MAX_LOOK_BACK = 100
"""How many of the newest events are read in search of a cancel that was just made."""

OF_NO_TURN = (UserMsg, StatePatch, Summary, Delivered)
"""Events that may carry the number of a turn that does not run: it comes next, or has ended."""


async def name_question(store: Store, conversation_id: str, resolution: Resolve) -> Resolve:
    """The resolution with the seq of the question that it answers, if the call waits for an answer now."""
    if resolution.question is not None:
        return resolution
    async for entry in newest_first(store, conversation_id):
        if isinstance(entry.event, TurnEnded):
            break
        if getattr(entry.event, "tool_call_id", None) == resolution.tool_call_id:
            return replace(resolution, question=entry.seq) if isinstance(entry.event, Suspension) else resolution
    return resolution


async def find_turn(store: Store, conversation_id: str) -> int:
    """The turn that runs or waits; if none does, the number of the next one."""
    async for entry in newest_first(store, conversation_id):
        if not isinstance(entry.event, OF_NO_TURN):
            return entry.event.turn + isinstance(entry.event, TurnEnded)
    return 1


async def find_cancel(store: Store, conversation_id: str, turn: int) -> Receipt | None:
    """The receipt of the cancel that has ended this turn, however long ago; None if it runs, or comes next.

    Raises `Refused` if it has ended otherwise.
    """
    if await find_turn(store, conversation_id) == turn:
        return None
    if (seq := await store.log.seq_of(conversation_id, id_of_cancel(turn))) is not None:
        return Receipt(seq, turn, duplicate=True)
    looked_at = 0
    async for entry in newest_first(store, conversation_id):  # a host with the code before has noted no id
        event, looked_at = entry.event, looked_at + 1
        if isinstance(event, TurnEnded) and event.turn <= turn:
            if event.turn == turn and event.reason == CANCELLED_BY_PERSON:
                return Receipt(entry.seq, turn, duplicate=True)
            break
        if looked_at >= MAX_LOOK_BACK:
            break
    raise Refused("not_running", f"Turn {turn} is not running.")

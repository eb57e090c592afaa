"""Reads from the log of another conversation what became of one call or one turn; newest events first."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from agents.answer import answer_text
from agents.codec import decode
from agents.turn.events import (
    AssistantMsg,
    Delivered,
    Logged,
    Resolution,
    StatePatch,
    Summary,
    Suspension,
    ToolCall,
    ToolResult,
    TurnEnded,
)
from store import Store

FIRST_PAGE, MAX_PAGE = 4, 256
"""Events per read, which grow from the first read on: mostly the events needed are near the end of the log."""

AFTERWARDS = (StatePatch, Summary, Delivered)
"""Events that may follow the end of a turn and carry its number."""


@dataclass(frozen=True, slots=True)
class CallRecord:
    """A call that began at `seq`; `question` is its newest suspension, at `question_seq`.

    `is_waiting`: the question has not been answered yet. `arguments` are the effective ones, after edits of approvers.
    """

    call: ToolCall
    seq: int
    arguments: Mapping[str, Any]
    question: Suspension | None = None
    question_seq: int = 0
    is_waiting: bool = False
    result: ToolResult | None = None


@dataclass(frozen=True, slots=True)
class Ending:
    """How a turn ended, and the answer it leaves behind: a text, or the JSON of a structured output."""

    ended: TurnEnded
    answer: str


async def read_call(store: Store, conversation_id: str, tool_call_id: str) -> CallRecord | None:
    """What the log has of a call; None if the call is not in it."""
    newest_first: list[Logged] = []
    async with aclosing(_entries_newest_first(store, conversation_id)) as entries:
        async for entry in entries:
            if getattr(entry.event, "tool_call_id", None) == tool_call_id:
                newest_first.append(entry)
                if isinstance(entry.event, ToolCall):
                    return _record_of(entry.event, entry.seq, newest_first[-2::-1])
    return None


async def read_turn_of(store: Store, conversation_id: str, client_id: str) -> int | None:
    """The turn of the message with this client id; None if there is no such message."""
    seq = await store.log.seq_of(conversation_id, client_id)
    if seq is None:
        return None
    [record] = await store.log.read(conversation_id, after=seq - 1, limit=1)
    return decode(record).event.turn


async def read_ending(store: Store, conversation_id: str, turn: int) -> Ending | None:
    """How that turn ended; None while it runs."""
    newest_first: list[Logged] = []
    async with aclosing(_entries_newest_first(store, conversation_id)) as entries:
        async for entry in entries:
            if entry.event.turn > turn or isinstance(entry.event, AFTERWARDS):
                continue
            if entry.event.turn < turn or (not newest_first and not isinstance(entry.event, TurnEnded)):
                break
            newest_first.append(entry)
            if isinstance(entry.event, AssistantMsg) and entry.event.status == "completed":
                break
    if not newest_first:
        return None
    ended = newest_first[0].event
    assert isinstance(ended, TurnEnded)
    return Ending(ended, answer_text([entry.event for entry in newest_first]))


async def read_result(store: Store, conversation_id: str, tool_call_id: str, seq: int) -> ToolResult | None:
    """The result of the call logged at `seq`; None while it has none. Raises LookupError if the call is gone."""
    after = seq - 1
    while records := await store.log.read(conversation_id, after=after, limit=MAX_PAGE):
        for event in (decode(record).event for record in records):
            if isinstance(event, ToolResult) and event.tool_call_id == tool_call_id:
                return event
        after = records[-1].seq
    if after < seq:
        raise LookupError(f"{conversation_id} has no call {tool_call_id} any more")
    return None


async def _entries_newest_first(store: Store, conversation_id: str) -> AsyncGenerator[Logged, None]:
    before, limit = None, FIRST_PAGE
    while records := await store.log.read_back(conversation_id, before=before, limit=limit):
        for record in reversed(records):
            yield decode(record)
        before, limit = records[0].seq, min(4 * limit, MAX_PAGE)


def _record_of(call: ToolCall, seq: int, entries: Sequence[Logged]) -> CallRecord:
    """The record of a call from the later entries about it, oldest first."""
    record = CallRecord(call, seq, call.arguments)
    for entry in entries:
        match entry.event:
            case Suspension():
                record = replace(record, question=entry.event, question_seq=entry.seq, is_waiting=True)
            case Resolution(arguments=arguments):
                asks_again = record.question is not None and record.question.resumes
                effective = record.arguments if arguments is None or asks_again else arguments
                record = replace(record, is_waiting=False, arguments=effective)
            case ToolResult():
                record = replace(record, is_waiting=False, result=entry.event)
    return record

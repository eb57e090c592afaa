"""What the log of another conversation says of one call, and of the end of one turn; read from its newest end."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

import orjson

from agents.codec import decode
from agents.turn.events import (
    AssistantMsg,
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

FIRST_PAGE, LONGEST_PAGE = 4, 256
"""What is looked for is near the end, as a rule."""

AFTERWARDS = (StatePatch, Summary)
"""What may stand behind the end of a turn and carry its number."""


@dataclass(frozen=True, slots=True)
class CallRecord:
    """A call from its beginning at `seq` to now; `question` is its newest suspension, at `asked_at`.

    `waits`: nobody has answered that yet. `arguments` are those that count, edited ones included.
    """

    call: ToolCall
    seq: int
    arguments: Mapping[str, Any]
    question: Suspension | None = None
    asked_at: int = 0
    waits: bool = False
    result: ToolResult | None = None


@dataclass(frozen=True, slots=True)
class Ending:
    """How a turn ended, and the answer it leaves behind: a text, or the JSON of a structured output."""

    ended: TurnEnded
    answer: str


async def read_call(store: Store, conversation_id: str, tool_call_id: str) -> CallRecord | None:
    """The story of a call, None if the log does not know it."""
    told: list[Logged] = []
    async with aclosing(_newest_first(store, conversation_id)) as entries:
        async for entry in entries:
            if getattr(entry.event, "tool_call_id", None) == tool_call_id:
                told.append(entry)
                if isinstance(entry.event, ToolCall):
                    return _story(entry.event, entry.seq, told[-2::-1])
    return None


async def read_ending(store: Store, conversation_id: str, turn: int) -> Ending | None:
    """How that turn ended; None while it goes on."""
    told: list[Logged] = []
    async with aclosing(_newest_first(store, conversation_id)) as entries:
        async for entry in entries:
            if entry.event.turn > turn or isinstance(entry.event, AFTERWARDS):
                continue
            if entry.event.turn < turn or (not told and not isinstance(entry.event, TurnEnded)):
                break
            told.append(entry)
            if isinstance(entry.event, AssistantMsg) and entry.event.status == "completed":
                break
    if not told:
        return None
    ended = told[0].event
    assert isinstance(ended, TurnEnded)
    return Ending(ended, _answer(told))


async def read_result(store: Store, conversation_id: str, tool_call_id: str, seq: int) -> ToolResult | None:
    """The result of the call that stands at `seq`, None while it is open; raises LookupError if it is not there."""
    after = seq - 1
    while records := await store.log.read(conversation_id, after=after, limit=LONGEST_PAGE):
        for event in (decode(record).event for record in records):
            if isinstance(event, ToolResult) and event.tool_call_id == tool_call_id:
                return event
        after = records[-1].seq
    if after < seq:
        raise LookupError(f"{conversation_id} has no call {tool_call_id} any more")
    return None


async def _newest_first(store: Store, conversation_id: str) -> AsyncGenerator[Logged, None]:
    before, limit = None, FIRST_PAGE
    while records := await store.log.read_back(conversation_id, before=before, limit=limit):
        for record in reversed(records):
            yield decode(record)
        before, limit = records[0].seq, min(4 * limit, LONGEST_PAGE)


def _story(call: ToolCall, seq: int, told: Sequence[Logged]) -> CallRecord:
    story = CallRecord(call, seq, call.arguments)
    for entry in told:
        match entry.event:
            case Suspension():
                story = replace(story, question=entry.event, asked_at=entry.seq, waits=True)
            case Resolution(arguments=arguments):
                asks_again = story.question is not None and story.question.resumes
                kept = story.arguments if arguments is None or asks_again else arguments
                story = replace(story, waits=False, arguments=kept)
            case ToolResult():
                story = replace(story, waits=False, result=entry.event)
    return story


def _answer(told: Sequence[Logged]) -> str:
    """What the last answer says; if it says nothing, the result of the call that ended the turn."""
    events = [entry.event for entry in told]
    said = next((event for event in events if isinstance(event, AssistantMsg) and event.status == "completed"), None)
    if said is None:
        return ""
    if said.output is not None:
        return orjson.dumps(said.output).decode()
    text = "\n\n".join(str(block["text"]) for block in said.content if block["type"] == "text").strip()
    return text or _closing_result(events)


def _closing_result(events: Sequence[object]) -> str:
    closing = {event.tool_call_id for event in events if isinstance(event, ToolCall) and event.ends_turn}
    results = (event for event in events if isinstance(event, ToolResult) and event.tool_call_id in closing)
    return next((result.content for result in results if isinstance(result.content, str)), "")

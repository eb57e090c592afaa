"""Logs of any length, written directly to the store in the form in which conversations write them."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager

import orjson

from agents.clock import now_ms
from agents.codec import encode
from agents.turn import Event, Facts, fsm_state
from agents.turn.events import AssistantMsg, Summary, ToolCall, ToolResult, TurnEnded, UserMsg
from agents.turn.facts import apply
from agents.turn.snapshot import take_snapshot
from benchmarks.agents import COMPACTING, PLAIN
from benchmarks.subjects import Subject
from deployments.access.principal import LOCAL
from store import Placement, Store, connect

MAX_AT_ONCE = 100
MAX_BATCH = 2000
ANSWER = "word " * 50
USAGE = {"input_tokens": 1000, "output_tokens": 100}
KEPT_TURNS = 25
"""How many turns of a long history follow its summary."""


@asynccontextmanager
async def open_store(subject: Subject) -> AsyncIterator[Store]:
    """The store of a subject."""
    store = connect(subject.service.redis_url)
    try:
        yield store
    finally:
        await store.aclose()


async def write_idle(subject: Subject, count: int) -> list[str]:
    """Write `count` inactive conversations of 20 events: four turns, and one with two tool calls. Returns their ids."""
    limit = asyncio.Semaphore(MAX_AT_ONCE)
    events = [*(event for turn in range(1, 5) for event in _turn(turn)), *_turn_with_tools(5)]

    async def write_one(store: Store) -> str:
        async with limit:
            return await _write(store, PLAIN, subject.placement, events)

    async with open_store(subject) as store:
        return await asyncio.gather(*(write_one(store) for _ in range(count)))


async def write_long(subject: Subject, messages: int) -> str:
    """Write a conversation with `messages` messages and a summary of all but the last turns; returns its id."""
    turns = messages // 2
    events = [event for turn in range(1, turns + 1) for event in _turn(turn)]
    if turns > KEPT_TURNS:
        events.append(_summary(events, turns - KEPT_TURNS, turns))
    async with open_store(subject) as store:
        return await _write(store, COMPACTING, subject.placement, events)


async def _write(store: Store, agent: str, placement: Placement | None, events: Sequence[Event]) -> str:
    conversation_id, now = uuid.uuid4().hex, now_ms()
    await store.registry.create(conversation_id, agent=agent, principal=LOCAL.id, placement=placement, now=now)
    claim = await store.log.claim(conversation_id)
    facts = Facts()
    for begin in range(0, len(events), MAX_BATCH):
        batch = events[begin : begin + MAX_BATCH]
        for seq, event in enumerate(batch, begin + 1):
            facts = apply(facts, event, seq)
        await store.log.append(
            claim,
            [orjson.dumps(encode(event, now)) for event in batch],
            expected_last_seq=begin,
            state=orjson.dumps(fsm_state(facts)),
            due_at=None,
            now=now,
            client_ids={
                event.client_id: seq
                for seq, event in enumerate(batch, begin + 1)
                if isinstance(event, UserMsg) and event.client_id
            },
            summary_seq=begin + len(batch) if isinstance(batch[-1], Summary) else None,
        )
    return conversation_id


def _summary(events: Sequence[Event], through: int, turn: int) -> Summary:
    facts = Facts()
    for seq, event in enumerate(events, 1):
        if event.turn > through:
            break
        facts = apply(facts, event, seq)
    return Summary(turn=turn, text=ANSWER, through_turn=through, after=facts.last_seq, base=take_snapshot(facts))


def _turn(turn: int) -> Iterator[Event]:
    yield _message(turn)
    yield _answer(turn, 1)
    yield TurnEnded(turn=turn, principal=LOCAL.id, outcome="completed")


def _turn_with_tools(turn: int) -> Iterator[Event]:
    calls = [f"toolu_{turn}_{number}" for number in range(2)]
    yield _message(turn)
    yield _answer(turn, 1)
    for call in calls:
        yield ToolCall(
            turn=turn, principal=LOCAL.id, tool_call_id=call, step=1, name="look_up", arguments={"about": "sea"}
        )
    for call in calls:
        yield ToolResult(turn=turn, principal=LOCAL.id, tool_call_id=call, content=ANSWER)
    yield _answer(turn, 2)
    yield TurnEnded(turn=turn, principal=LOCAL.id, outcome="completed")


def _message(turn: int) -> UserMsg:
    content = [{"type": "text", "text": f"Please tell me something about the sea, number {turn}."}]
    return UserMsg(turn=turn, principal=LOCAL.id, content=content, client_id=f"message-{turn}")


def _answer(turn: int, step: int) -> AssistantMsg:
    return AssistantMsg(
        turn=turn,
        principal=LOCAL.id,
        message_id=f"msg_{turn}_{step}",
        step=step,
        content=[{"type": "text", "text": ANSWER}],
        usage=USAGE,
        model="claude-sonnet-4-5",
    )

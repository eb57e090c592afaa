"""Logs of any length, written straight into the store as a conversation would have written them."""

from collections.abc import Iterator

import orjson

from agents.agent import Agent
from agents.clock import now_ms
from agents.codec import encode
from agents.turn import Event, Facts, fsm_state
from agents.turn.events import AssistantMsg, Summary, TurnEnded, UserMsg
from agents.turn.facts import apply
from agents.turn.snapshot import take_snapshot
from tests.support.conversations import World, text

MAX_BATCH = 2000


async def write_log(world: World, agent: Agent, conversation_id: str, *, turns: int, keep: int, words: str) -> None:
    """Write `turns` turns, each a message and its answer, and then a summary of all but the last `keep`."""
    await world.create(agent, conversation_id)
    claim = await world.store.log.claim(conversation_id)
    facts, covered = Facts(), Facts()
    batch: list[Event] = []

    async def write(summary_seq: int | None = None) -> None:
        now = now_ms()
        await world.store.log.append(
            claim,
            [orjson.dumps(encode(event, now)) for event in batch],
            expected_last_seq=facts.last_seq - len(batch),
            state=orjson.dumps(fsm_state(facts)),
            due_at=None,
            now=now,
            client_ids=_client_ids(batch, facts.last_seq - len(batch) + 1),
            summary_seq=summary_seq,
        )
        batch.clear()

    for turn in range(1, turns + 1):
        for event in _turn(turn, words):
            batch.append(event)
            facts = apply(facts, event, facts.last_seq + 1)
        if turn == turns - keep:
            covered = facts
        if len(batch) >= MAX_BATCH:
            await write()
    summary = Summary(
        turn=turns,
        text="What was said.",
        through_turn=covered.turn,
        after=covered.last_seq,
        base=take_snapshot(covered),
    )
    batch.append(summary)
    facts = apply(facts, summary, facts.last_seq + 1)
    await write(summary_seq=facts.last_seq)


def _client_ids(events: list[Event], first_seq: int) -> dict[str, int]:
    messages = ((event, seq) for seq, event in enumerate(events, first_seq) if isinstance(event, UserMsg))
    return {message.client_id: seq for message, seq in messages if message.client_id}


def _turn(turn: int, words: str) -> Iterator[Event]:
    # Numbers of one width, so that turns have one size in all logs.
    message_text = f"{turn:08} {words}"
    usage = {"input_tokens": 1000, "output_tokens": 100}
    yield UserMsg(turn=turn, principal="ada", content=text(message_text), client_id=f"message-{turn:08}")
    yield AssistantMsg(
        turn=turn,
        principal="ada",
        message_id=f"msg_{turn:08}",
        step=1,
        content=text(message_text),
        usage=usage,
        model="scripted",
    )
    yield TurnEnded(turn=turn, principal="ada", outcome="completed")

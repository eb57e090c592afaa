"""A conversation of 10,000 messages costs what its working set costs, to open it and to go on with it."""

import gc
import tracemalloc
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import pytest
from redis.asyncio import Redis

from agents.agent import Agent
from agents.conversation import Conversation
from agents.models import ModelRequest, ScriptedModel, Step
from agents.turn.events import Summary
from tests.support.compaction import compaction_with, looking_tool, say_each, shape
from tests.support.conversations import World, say
from tests.support.long_log import write_log

WORDS = "word " * 100
KEEP = 4
LONG, SHORT = 5_000, 50
"""Turns of two messages each."""


def answer(request: ModelRequest) -> Step:
    """Short answers, and the same summary each time."""
    return Step("What was said." if request.system.startswith("You write") else "Go on.")


def agent_of(**options: Any) -> Agent:
    """An agent whose model keeps no requests, so that they take no memory."""
    return Agent(
        name="long",
        model=ScriptedModel(answer),
        tools=[looking_tool()],
        middleware=[compaction_with(keep_turns=KEEP, **options)],
    )


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """A client of its own, to measure what the server sends."""
    async with Redis.from_url(redis_url) as client:
        yield client


async def bytes_sent_during(redis: Redis, work: Awaitable[Conversation]) -> tuple[Conversation, int]:
    """The result of the work, and how many bytes the server has sent to all clients meanwhile."""

    async def total() -> int:
        return int((await redis.info("stats"))["total_net_output_bytes"])

    first, second = await total(), await total()
    conversation = await work
    return conversation, await total() - second - (second - first)  # without the answer to this query


async def test_opening_it_reads_only_its_working_set(world: World, redis: Redis) -> None:
    requests: list[ModelRequest] = []

    def answer_and_keep(request: ModelRequest) -> Step:
        requests.append(request)
        return Step("Go on.")

    agent = Agent(name="long", model=ScriptedModel(answer_and_keep), system_prompt="Be brief.")
    costs = {}
    for name, turns in (("short", SHORT), ("long", LONG)):
        await write_log(world, agent, name, turns=turns, keep=KEEP, words=WORDS)
        conversation, costs[name] = await bytes_sent_during(redis, world.open(agent, name))
        assert conversation.inspect().last_seq == 3 * turns + 1
        assert [event.turn for event in conversation.history.events] == [
            *(turn for turn in range(turns - KEEP + 1, turns + 1) for _ in range(3)),
            turns,
        ]
        await say_each(conversation, "and now?")
        assert shape(requests[-1].messages) == [
            *(
                f"{role}: {turn:08} {WORDS}"
                for turn in range(turns - KEEP + 1, turns + 1)
                for role in ("user", "assistant")
            ),
            "user: and now?",
        ]
        assert requests[-1].system == "Be brief.\n\n# Summary of the conversation so far\n\nWhat was said."

    tail = KEEP * 2 * len(WORDS)
    assert tail < costs["long"] < 3 * tail
    assert costs["long"] == pytest.approx(costs["short"], rel=0.02)


async def test_an_old_message_sent_again_is_recognised(world: World) -> None:
    agent = agent_of()
    await write_log(world, agent, "c", turns=SHORT, keep=KEEP, words="words")
    conversation = await world.open(agent)

    receipt = await say(conversation, "words", client_id="message-00000007")

    assert (receipt.duplicate, receipt.turn, receipt.seq) == (True, 7, 3 * 6 + 1)
    assert conversation.inspect().last_seq == 3 * SHORT + 1


async def test_hundreds_of_turns_take_no_more_memory(world: World) -> None:
    agent = agent_of(stub=1500, summary=2000, window=4000, keep_steps=1)
    await write_log(world, agent, "c", turns=LONG, keep=KEEP, words=WORDS)
    conversation = await world.open(agent)
    history = conversation.history
    sizes: list[int] = []

    async def go_on(turns: int) -> int:
        for _ in range(turns):
            await say_each(conversation, WORDS)
            sizes.append(
                len(history.logged)
                + len(history.quiescent_points)
                + len(history.tool_call_ids)
                + len(history._unpacked().receipts)
            )
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    await go_on(50)
    tracemalloc.start()
    try:
        before = await go_on(50)
        after = await go_on(250)
    finally:
        tracemalloc.stop()

    assert max(sizes) < 120
    assert after - before < 100_000, "memory does not grow with the number of turns"
    made = [event for event in await world.events() if isinstance(event, Summary)]
    assert len(made) > 20
    assert made[-1].through_turn > LONG + 300

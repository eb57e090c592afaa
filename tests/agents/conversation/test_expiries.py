"""Expiries: a call that waits runs out at its time, in whichever incarnation that is."""

import asyncio

import pytest

from agents.agent import Agent, Expiries
from agents.clock import now_ms
from agents.errors import Refused
from agents.turn.events import Suspension
from agents.turn.inputs import Resolve
from tests.support.conversation_workbench import Bench, worker
from tests.support.conversations import World, ends, rest, results, say, until

HOUR = 3600.0
LATE = ("timeout", "Nobody answered in time.")


def impatient(bench: Bench, people: float = 0.05) -> Agent:
    return worker(bench.tool, expiries=Expiries(people=people))


async def test_no_person_answers(world: World) -> None:
    bench = Bench(approval="required")
    conversation = await world.start(impatient(bench))
    await say(conversation)

    await until(lambda: conversation.inspect().state == "idle" and results(conversation.history.events))

    assert results(await world.events()) == [LATE]
    assert ends(await world.events()) == [("completed", None)]
    assert bench.runs == []
    [(asked_at, expires_at)] = [
        (entry.at, entry.event.expires_at) for entry in await world.log() if isinstance(entry.event, Suspension)
    ]
    assert expires_at is not None
    assert 0 <= expires_at - asked_at <= 50


async def test_an_answer_in_time_disarms_it(world: World) -> None:
    bench = Bench(approval="required")
    conversation = await world.start(impatient(bench, people=30.0))
    await say(conversation)
    await rest(conversation)
    await conversation.resolve(Resolve(tool_call_id=next(iter(conversation.inspect().pending)), decision="approve"))
    assert conversation._driver._effects._expiries == {}
    bench.finish.set()
    assert await rest(conversation) == "idle"
    assert [status for status, _ in results(await world.events())] == ["ok"]


async def test_the_next_incarnation_arms_it_again(world: World) -> None:
    agent = impatient(Bench(approval="required"), people=HOUR)
    conversation = await world.start(agent)
    await say(conversation)
    await rest(conversation)
    await world.crash(conversation)

    # It has 50 ms left when the next incarnation takes it up.
    conversation = await world.open(agent, clock=lambda: now_ms() + 3_599_950)
    await until(lambda: ends(conversation.history.events))

    assert results(await world.events()) == [LATE]


async def test_it_ran_out_while_there_was_no_incarnation(world: World) -> None:
    bench = Bench(approval="required")
    agent = impatient(bench, people=HOUR)
    conversation = await world.start(agent)
    await say(conversation)
    await rest(conversation)
    [(tool_call_id, asked)] = conversation.inspect().pending.items()
    await world.crash(conversation)
    assert await world.store.registry.unfinished(asked["expires_at"] - 1, 10) == []
    assert await world.store.registry.unfinished(asked["expires_at"], 10) == ["c"], "the sweep finds it then"

    conversation = await world.open(agent, clock=lambda: now_ms() + 2 * 3_600_000)
    await until(lambda: results(conversation.history.events))

    with pytest.raises(Refused) as refused:
        await conversation.resolve(Resolve(tool_call_id=tool_call_id, decision="approve"))
    assert refused.value.code == "stale_resolution"
    assert results(await world.events()) == [LATE]
    assert bench.runs == []


async def test_a_decision_at_the_last_moment_meets_one_end(world: World) -> None:
    bench = Bench(approval="required")
    bench.finish.set()
    conversation = await world.start(impatient(bench, people=0.02))
    await say(conversation)
    await until(lambda: conversation.history.tool_call_ids)
    [tool_call_id] = conversation.history.tool_call_ids

    await asyncio.gather(
        conversation.resolve(Resolve(tool_call_id=tool_call_id, decision="approve")), return_exceptions=True
    )
    await until(lambda: conversation.inspect().state == "idle" and ends(conversation.history.events))

    assert len(results(await world.events())) == 1

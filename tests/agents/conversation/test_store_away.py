"""Redis goes away in the middle of a turn: nothing acknowledged is lost, nothing unlogged is executed."""

import asyncio

from agents.agent import Agent
from agents.models import ScriptedModel, Step
from tests.servers.process import RedisServer
from tests.support.conversation_workbench import Bench, worker
from tests.support.conversations import World, ends, rest, results, say, spoken, until

Fragile = tuple[World, RedisServer]


async def test_a_pause_while_a_tool_runs(fragile: Fragile) -> None:
    world, server = fragile
    bench = Bench()
    conversation = await world.start(worker(bench.tool))
    await say(conversation)
    await bench.begun()

    with server.paused():
        bench.finish.set()
        await until(lambda: not conversation._driver._effects._tools)
        assert conversation.inspect().state == "executing_tools", "it does not go on before the result is durable"
        assert len(conversation.history.logged) == 3

    assert await rest(conversation) == "idle"
    assert results(await world.events()) == [("ok", "any done")]


async def test_a_restart_while_the_answer_streams(fragile: Fragile) -> None:
    world, server = fragile
    words = " ".join(f"word{number}" for number in range(60))
    conversation = await world.start(Agent(name="a", model=ScriptedModel([Step(words)], delay=0.005)))
    await say(conversation)
    await until(lambda: conversation.inspect().state == "streaming")

    await asyncio.to_thread(server.restart)

    assert await rest(conversation) == "idle"
    assert spoken(await world.events()) == [(words, "completed")]


async def test_a_message_sent_while_redis_is_away(fragile: Fragile) -> None:
    world, server = fragile
    bench = Bench()
    bench.finish.set()
    conversation = await world.start(worker(bench.tool))
    server.kill()

    sending = asyncio.create_task(say(conversation, client_id="x"))
    doubling = asyncio.create_task(say(conversation, client_id="x"))
    await until(lambda: len(conversation._driver._mailbox) == 1)
    assert conversation.inspect().state == "idle"
    assert bench.runs == []
    await asyncio.to_thread(server.start)

    assert {(receipt.seq, receipt.turn) for receipt in await asyncio.gather(sending, doubling)} == {(1, 1)}
    assert await rest(conversation) == "idle"
    assert ends(await world.events()) == [("completed", None)]
    assert len(bench.runs) == 1


async def test_everything_that_was_acknowledged_is_answered_through_restarts(fragile: Fragile) -> None:
    world, server = fragile
    bench = Bench()
    agent = worker(bench.tool)
    conversation = await world.start(agent)
    await say(conversation, "one", client_id="1")
    await bench.begun()

    await asyncio.to_thread(server.restart)
    await say(conversation, "two", on_busy="queue", client_id="2")
    await world.crash(conversation)
    await asyncio.to_thread(server.restart)
    bench.finish.set()
    conversation = await world.open(agent)

    assert await rest(conversation) == "idle"
    assert ends(await world.events()) == [("completed", None)] * 2
    assert (await say(conversation, "two", client_id="2")).duplicate


async def test_cancel_during_a_pause_holds_when_redis_is_back(fragile: Fragile) -> None:
    world, server = fragile
    bench = Bench()
    conversation = await world.start(worker(bench.tool))
    await say(conversation)
    await bench.begun()

    with server.paused():
        cancelling = asyncio.create_task(conversation.cancel("ada"))
        await until(lambda: not conversation._driver._mailbox)
        assert bench.cancelled == 0, "first the log, then the effect"

    await cancelling
    assert ends(await world.events()) == [("cancelled", "user_cancelled")]
    await until(lambda: bench.cancelled == 1)

"""The conversation answers at any moment, also while the model and tools work or hang."""

import asyncio
import threading

from agents.agent import Agent
from agents.models import Call, ScriptedModel, Step
from agents.tools import tool
from tests.support.conversation_workbench import Bench, worker
from tests.support.conversations import World, ends, rest, results, say, until


async def test_inspect_while_the_model_says_nothing(world: World) -> None:
    conversation = await world.start(Agent(name="a", model=ScriptedModel([Step(hangs="before")])))
    await say(conversation)

    status = conversation.inspect()

    assert (status.state, status.turn, status.last_seq) == ("preparing", 1, 1)
    assert (await conversation.cancel()).turn == 1
    assert conversation.inspect().state == "idle"


async def test_inspect_while_the_answer_streams(world: World) -> None:
    model = ScriptedModel([Step("so far", thinking="let me see", hangs="after")])
    conversation = await world.start(Agent(name="a", model=model))
    await say(conversation)
    await until(lambda: (conversation.inspect().streaming or {}).get("text") == "so far")

    status = conversation.inspect()

    assert status.state == "streaming"
    assert status.streaming is not None
    assert status.streaming["thinking"] == "let me see"
    assert status.streaming["turn"] == 1


async def test_inspect_and_send_while_a_tool_runs(world: World) -> None:
    bench = Bench()
    conversation = await world.start(worker(bench.tool))
    await say(conversation)
    await bench.begun()

    assert conversation.inspect().state == "executing_tools"
    assert (await say(conversation, "two", on_busy="queue")).turn == 2
    bench.finish.set()
    assert await rest(conversation) == "idle"


async def test_a_tool_that_blocks_its_thread_blocks_nothing_else(world: World) -> None:
    release = threading.Event()
    entered = asyncio.Event()
    loop = asyncio.get_running_loop()

    @tool
    def block() -> str:
        """Block the thread it runs in."""
        loop.call_soon_threadsafe(entered.set)
        release.wait(10)
        return "released"

    conversation = await world.start(worker(block, calls=[Call("block")]))
    await say(conversation)
    await entered.wait()

    await conversation.cancel()

    assert ends(await world.events()) == [("cancelled", "user_cancelled")]
    assert results(await world.events()) == [("cancelled", "[cancelled]")]
    release.set()


async def test_parallel_tools_run_side_by_side(world: World) -> None:
    bench = Bench()
    conversation = await world.start(worker(bench.tool, calls=[Call("work", {"job": job}) for job in "abc"]))
    await say(conversation)

    await bench.begun(runs=3)
    bench.finish.set()

    await rest(conversation)
    assert sorted(results(await world.events())) == [("ok", "a done"), ("ok", "b done"), ("ok", "c done")]


async def test_stop_leaves_in_good_order_in_the_middle_of_a_tool(world: World) -> None:
    bench = Bench()
    agent = worker(bench.tool)
    conversation = await world.start(agent)
    await say(conversation)
    await bench.begun()

    await conversation.stop()

    await until(lambda: bench.cancelled == 1)
    assert results(await world.events()) == [], "what is unfinished stays unfinished in the log"
    bench.finish.set()
    assert await rest(await world.open(agent)) == "idle"
    assert [context.tool_call_id for context in bench.runs] == [bench.runs[0].tool_call_id] * 2

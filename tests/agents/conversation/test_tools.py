"""Tools in a turn: for every call the model reads one result, and the turn goes on."""

import asyncio
from typing import Any

import pytest

from agents.models import Call
from agents.tools import Tool, ToolContext, tool
from tests.messages_api import MessagesServer, Reply, ToolUse
from tests.support.conversation_workbench import Bench, Talker, worker
from tests.support.conversations import World, ends, rest, results, say, watching


async def outcome(world: World, *tools: Tool, call: Call) -> tuple[str, str]:
    """The result of one call, in a turn that must complete."""
    conversation = await world.start(worker(*tools, calls=[call]))
    await say(conversation)
    assert await rest(conversation) == "idle"
    events = await world.events()
    assert ends(events) == [("completed", None)]
    [result] = results(events)
    return result


async def test_an_unknown_tool(world: World) -> None:
    bench = Bench()
    found = await outcome(world, bench.tool, call=Call("fly"))
    assert found == ("error", "There is no tool named fly. Tools: work.")


async def test_malformed_arguments_run_nothing(world: World) -> None:
    bench = Bench()
    found = await outcome(world, bench.tool, call=Call("work", malformed='{"job": '))
    assert found == ("error", "The arguments are not a JSON object; send them again.")
    assert bench.runs == []


async def test_malformed_arguments_from_a_real_stream(
    world: World, messages_api: MessagesServer, talker: Talker
) -> None:
    bench = Bench()
    messages_api.enqueue(Reply(calls=[ToolUse("work", raw='{"job": "a')]), Reply("I see."))
    conversation = await world.start(talker(bench.tool))
    await say(conversation)
    assert await rest(conversation) == "idle"
    assert results(await world.events()) == [("error", "The arguments are not a JSON object; send them again.")]


async def test_arguments_of_the_wrong_type(world: World) -> None:
    status, content = await outcome(world, Bench().tool, call=Call("work", {"job": 7}))
    assert (status, content) == ("error", "Invalid arguments for work: job: Input should be a valid string")


async def test_an_exception_is_not_shown(world: World) -> None:
    @tool
    async def explode() -> str:
        """Fail."""
        raise RuntimeError("password=hunter2")

    status, content = await outcome(world, explode, call=Call("explode"))
    assert status == "error"
    assert content.startswith("explode failed with an internal error (call toolu_")
    assert "hunter2" not in content


async def test_a_timeout(world: World) -> None:
    found = await outcome(world, Bench(timeout=0.01).tool, call=Call("work"))
    assert found == ("timeout", "work did not finish within 0.01 seconds.")


async def test_a_result_that_is_no_json(world: World) -> None:
    @tool
    async def odd() -> object:
        """Return something odd."""
        return object()

    status, content = await outcome(world, odd, call=Call("odd"))
    assert (status, content) == ("error", "odd finished, but its result cannot be written as JSON (object).")


async def test_a_tool_knows_where_it_stands(world: World) -> None:
    bench = Bench()
    bench.finish.set()
    conversation = await world.start(worker(bench.tool))
    await say(conversation)
    await rest(conversation)
    [context] = bench.runs
    assert (context.conversation_id, context.turn, context.principal) == ("c", 1, "ada")
    assert context.tool_call_id in conversation.history.tool_call_ids


async def test_progress_reaches_the_watchers_before_the_result(world: World) -> None:
    @tool
    async def dig(context: ToolContext) -> str:
        """Dig."""
        for depth in range(3):
            context.progress({"depth": depth})
        return "dug"

    conversation = await world.start(worker(dig, calls=[Call("dig")]))
    async with watching(world.store) as watcher:
        await say(conversation)
        await watcher.until("turn_completed")
    depths = [event["progress"]["depth"] for event in watcher.seen if event["type"] == "tool_progress"]
    assert depths == [0, 1, 2]
    assert watcher.types.index("tool_progress") < watcher.types.index("tool_result")


@pytest.mark.parametrize("value", [object(), {1, 2}, {("a", "b"): 1}, "\ud800", 2**70])
async def test_progress_that_is_no_json_harms_no_other_event(world: World, value: Any) -> None:
    @tool
    async def dig(context: ToolContext) -> str:
        """Dig."""
        context.progress(value)
        return "dug"

    assert await outcome(world, dig, call=Call("dig")) == ("ok", "dug")


async def test_progress_of_a_call_that_is_over_is_not_told(world: World) -> None:
    contexts: list[ToolContext] = []

    @tool
    async def leave(context: ToolContext) -> str:
        """Keep the context for later."""
        contexts.append(context)
        return "left"

    conversation = await world.start(worker(leave, calls=[Call("leave")]))
    async with watching(world.store) as watcher:
        await say(conversation, "one")
        await watcher.until("turn_completed", turn=1)
        contexts[0].progress("too late")
        await say(conversation, "two")
        await watcher.until("turn_completed", turn=2)
    assert "tool_progress" not in watcher.types


async def test_a_tool_that_resists_its_cancellation_changes_nothing_afterwards(world: World) -> None:
    entered, ended = asyncio.Event(), asyncio.Event()

    @tool
    async def stubborn() -> str:
        """Do not let go."""
        entered.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.set()
        return "I went on"

    conversation = await world.start(worker(stubborn, calls=[Call("stubborn")]))
    await say(conversation)
    await entered.wait()

    await conversation.cancel()
    await ended.wait()

    await say(conversation, "two", on_busy="queue")
    assert results(await world.events())[0] == ("cancelled", "[cancelled]")


async def test_calls_keep_their_order_in_what_the_model_reads(
    world: World, messages_api: MessagesServer, talker: Talker
) -> None:
    order: list[str] = []
    second = asyncio.Event()

    @tool
    async def slow() -> str:
        """Finish second."""
        await second.wait()
        order.append("slow")
        return "slow"

    @tool
    async def quick() -> str:
        """Finish first."""
        order.append("quick")
        second.set()
        return "quick"

    messages_api.enqueue(Reply(calls=[ToolUse("slow"), ToolUse("quick")]), Reply("done"))
    conversation = await world.start(talker(slow, quick))
    await say(conversation)
    await rest(conversation)
    assert order == ["quick", "slow"]
    returned = messages_api.requests[1].body["messages"][2]["content"]
    assert [block["content"] for block in returned] == ["slow", "quick"]

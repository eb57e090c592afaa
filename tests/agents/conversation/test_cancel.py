"""Cancel: whatever is under way ends, its connection closes, and what had come of it is kept."""

import pytest

from agents.errors import Refused
from agents.models import Call
from tests.agents.conversation.workbench import Bench, Talker, worker
from tests.conversations import World, ends, rest, results, say, spoken, until
from tests.messages_api import MessagesServer, Reply, ToolUse, Trouble


async def test_cancel_closes_the_connection_and_keeps_the_text(
    world: World, messages_api: MessagesServer, talker: Talker
) -> None:
    messages_api.enqueue(Reply("Once upon a time", trouble=Trouble("stall", after=3)), Reply("Fine."))
    conversation = await world.start(talker())
    await say(conversation)
    await until(lambda: (conversation.inspect().streaming or {}).get("text") == "Once upon a")

    await conversation.cancel("bob")

    assert await (await messages_api.wait_request()).wait_hung_up()
    assert spoken(await world.events()) == [("Once upon a", "cancelled")]
    assert ends(await world.events()) == [("cancelled", "user_cancelled")]
    await say(conversation, "go on")
    await rest(conversation)
    heard = messages_api.requests[1].body["messages"]
    assert heard[1] == {"role": "assistant", "content": [{"type": "text", "text": "Once upon a"}]}


async def test_cancel_before_the_first_token_closes_the_connection(
    world: World, messages_api: MessagesServer, talker: Talker
) -> None:
    messages_api.enqueue(Reply("never", first_delay=60.0))
    conversation = await world.start(talker())
    await say(conversation)
    received = await messages_api.wait_request()

    await conversation.cancel()

    assert await received.wait_hung_up()
    assert spoken(await world.events()) == []


async def test_an_interrupting_message_closes_the_connection(
    world: World, messages_api: MessagesServer, talker: Talker
) -> None:
    messages_api.enqueue(Reply("too long", trouble=Trouble("stall", after=1)), Reply("short"))
    conversation = await world.start(talker())
    await say(conversation)
    await until(lambda: (conversation.inspect().streaming or {}).get("text"))

    await say(conversation, "shorter", on_busy="interrupt")

    assert await messages_api.requests[0].wait_hung_up()
    assert await rest(conversation) == "idle"
    assert spoken(await world.events())[-1] == ("short", "completed")


async def test_a_crash_closes_the_connection(world: World, messages_api: MessagesServer, talker: Talker) -> None:
    messages_api.enqueue(Reply("so far", trouble=Trouble("stall", after=1)))
    conversation = await world.start(talker())
    await say(conversation)
    received = await messages_api.wait_request()

    await world.crash(conversation)

    assert await received.wait_hung_up()


async def test_a_call_that_was_still_being_written_never_runs(
    world: World, messages_api: MessagesServer, talker: Talker
) -> None:
    bench = Bench()
    call = ToolUse("work", {"job": "a rather long description of the job"})
    messages_api.enqueue(Reply("I will", calls=[call], trouble=Trouble("stall", after=3)))
    conversation = await world.start(talker(bench.tool))
    await say(conversation)
    await until(lambda: (conversation.inspect().streaming or {}).get("text") == "I will")

    await conversation.cancel()

    assert spoken(await world.events()) == [("I will", "cancelled")]
    assert results(await world.events()) == []
    assert bench.runs == []


async def test_cancel_stops_every_tool_and_each_call_has_its_result(world: World) -> None:
    bench = Bench()
    gated = Bench(approval="required", name="gated")
    calls = [Call("work"), Call("gated"), Call("work")]
    conversation = await world.start(worker(bench.tool, gated.tool, calls=calls))
    await say(conversation)
    await bench.begun(runs=2)

    await conversation.cancel("ada")

    assert results(await world.events()) == [
        ("cancelled", "[cancelled]"),
        ("cancelled", "user cancelled"),
        ("cancelled", "[cancelled]"),
    ]
    await until(lambda: bench.cancelled == 2)
    assert conversation.inspect().pending == {}


async def test_there_is_nothing_to_cancel_when_idle(world: World) -> None:
    conversation = await world.start(worker())
    with pytest.raises(Refused) as refused:
        await conversation.cancel()
    assert refused.value.code == "not_running"

"""Cancel: all that is under way ends, its connection closes, and the text so far is kept."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from agents.agent import Agent
from agents.conversation import Conversation, Receipt
from agents.conversation.command_target import find_cancel, find_turn
from agents.errors import Refused, Superseded
from agents.models import Call, ScriptedModel, Step
from agents.turn.events import TurnEnded
from store.errors import DuplicateMessage
from tests.messages_api import MessagesServer, Reply, ToolUse, Trouble
from tests.support.conversation_workbench import Bench, Talker, worker
from tests.support.conversations import World, ends, rest, results, say, spoken, until


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


STORY = "Once upon a time there was a log that only grew, and everybody who came by could read all of it."


async def begin_story(world: World) -> Conversation:
    """A conversation on the test's own store, which tells a story to its first message."""
    agent = Agent(name="a", model=ScriptedModel([Step(STORY)], delay=0.02))
    await world.create(agent)
    return await world.open(agent, store=world.store)


async def test_an_answer_goes_on_when_it_was_not_to_end_after_all(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation = await begin_story(world)
    receipt = await say(conversation)
    await until(lambda: "upon" in (conversation.inspect().streaming or {}).get("text", ""))

    async def known(*_: Any, **__: Any) -> Any:
        await asyncio.sleep(0.1)
        monkeypatch.undo()
        raise DuplicateMessage("c", "m1", receipt.seq)

    monkeypatch.setattr(world.store.log, "append", known)
    assert (await say(conversation, "stop", on_busy="interrupt", client_id="m1")).seq == receipt.seq
    assert await rest(conversation) == "idle"
    assert spoken(await world.events()) == [(STORY, "completed")]


async def test_a_repeated_cancel_ends_its_own_turn_only(world: World) -> None:
    bench = Bench()
    steps = [Step(calls=[Call("work")]), Step(calls=[Call("work")]), Step("done")]
    conversation = await world.start(Agent(name="worker", model=ScriptedModel(steps), tools=[bench.tool]))
    await say(conversation)
    await bench.begun()
    await say(conversation, "and this", on_busy="queue")

    first = await conversation.cancel("ada", turn=1)
    await bench.begun(2)
    again = await conversation.cancel("ada", turn=1)

    [ended] = [entry.seq for entry in await world.log() if isinstance(entry.event, TurnEnded)]
    assert first == Receipt(seq=ended, turn=1)
    assert again == Receipt(seq=ended, turn=1, duplicate=True)
    assert conversation.inspect().turn == 2
    assert conversation.is_in_turn
    bench.finish.set()
    await rest(conversation)
    assert ends(await world.events()) == [("cancelled", "user_cancelled"), ("completed", None)]


async def test_a_repeated_cancel_is_answered_alike_by_the_next_incarnation(world: World) -> None:
    bench = Bench()
    conversation = await world.start(worker(bench.tool))
    await say(conversation)
    await bench.begun()
    first = await conversation.cancel("ada", turn=1)
    await world.crash(conversation)

    revived = await world.revive("c")

    assert await revived.cancel("ada", turn=1) == replace(first, duplicate=True)
    with pytest.raises(Refused) as refused:
        await revived.cancel("ada")
    assert refused.value.code == "not_running"


async def test_a_cancel_of_a_turn_that_ended_otherwise_is_refused(world: World) -> None:
    bench = Bench()
    bench.finish.set()
    conversation = await world.start(worker(bench.tool))
    await say(conversation)
    await rest(conversation)
    for turn in (1, 2, 7):
        with pytest.raises(Refused) as refused:
            await conversation.cancel("ada", turn=turn)
        assert refused.value.code == "not_running"
    assert ends(await world.events()) == [("completed", None)]


async def test_a_door_that_repeats_a_cancel_ends_one_turn(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The incarnation dies behind the append: its answer is lost, and the next one runs the message behind it."""
    bench = Bench()
    conversation = await world.start(worker(bench.tool))
    await say(conversation)
    await bench.begun()
    await say(conversation, "and this", on_busy="queue")
    cancel = Conversation.cancel

    async def cancel_and_lose_the_answer(target: Conversation, *command: Any) -> Receipt:
        receipt = await cancel(target, *command)
        if target is conversation:
            await world.crash(conversation)
            raise Superseded("c")
        return receipt

    monkeypatch.setattr(Conversation, "cancel", cancel_and_lose_the_answer)
    receipt = await world.doors.cancel("c", "ada")

    assert (receipt.turn, receipt.duplicate) == (1, True)
    bench.finish.set()
    await rest(await world.doors.reach("c"))
    assert ends(await world.events()) == [("cancelled", "user_cancelled"), ("completed", None)]


async def test_the_turn_that_a_cancel_is_meant_for(world: World) -> None:
    bench = Bench()
    conversation = await world.start(worker(bench.tool))
    assert await find_turn(world.store, "c") == 1, "none has begun"
    await say(conversation)
    await bench.begun()
    for number in range(6):
        await say(conversation, f"later {number}", on_busy="queue")
    assert await find_turn(world.store, "c") == 1, "the messages of the next turn wait"
    assert await find_cancel(world.store, "c", 1) is None, "it has not been cancelled"
    receipt = await conversation.cancel(turn=1)
    assert await find_turn(world.store, "c") == 2, "it runs"
    assert await find_cancel(world.store, "c", 1) == replace(receipt, duplicate=True)
    bench.finish.set()
    await rest(conversation)
    assert await find_turn(world.store, "c") == 3, "it would be the next one"
    assert await find_cancel(world.store, "c", 1) == replace(receipt, duplicate=True)
    assert await find_cancel(world.store, "c", 3) is None
    for number in (2, 4):  # it has completed; it comes later
        with pytest.raises(Refused, match=f"Turn {number} is not running"):
            await find_cancel(world.store, "c", number)

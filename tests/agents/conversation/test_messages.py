"""Messages: accepted once, however often they are sent, and treated by their policy when a turn runs."""

import asyncio

import pytest

from agents.agent import Agent
from agents.errors import Refused
from agents.models import ScriptedModel, Step
from agents.turn import Limits
from agents.turn.events import UserMsg
from agents.turn.inputs import Resolve, UserMessage
from tests.support.conversation_workbench import Bench, worker
from tests.support.conversations import World, ends, rest, results, say, spoken, text, until, watching


async def test_concurrent_doubles_are_one_message(world: World) -> None:
    conversation = await world.start(Agent(name="a", model=ScriptedModel([Step("hi")])))

    receipts = await asyncio.gather(*(say(conversation, client_id="x") for _ in range(20)))

    assert {(receipt.seq, receipt.turn) for receipt in receipts} == {(1, 1)}
    assert sum(not receipt.duplicate for receipt in receipts) == 1
    await rest(conversation)
    assert ends(await world.events()) == [("completed", None)]


async def test_a_double_after_a_crash_is_answered_as_then(world: World) -> None:
    agent = Agent(name="a", model=ScriptedModel([Step("hi"), Step("hi again")]))
    conversation = await world.start(agent)
    await say(conversation, client_id="x")
    await rest(conversation)
    await say(conversation, client_id="y")
    await world.crash(conversation)

    conversation = await world.open(agent)
    first, second = await say(conversation, client_id="x"), await say(conversation, client_id="y")

    assert (first.seq, first.turn, first.duplicate) == (1, 1, True)
    assert (second.seq, second.turn, second.duplicate) == (4, 2, True)
    await rest(conversation)
    assert sum(isinstance(event, UserMsg) for event in await world.events()) == 2


async def test_a_refused_message_may_be_sent_again_under_its_id(world: World) -> None:
    bench = Bench()
    conversation = await world.start(worker(bench.tool))
    await say(conversation)
    await bench.begun()
    with pytest.raises(Refused):
        await say(conversation, "later", client_id="x")

    bench.finish.set()
    await rest(conversation)

    assert not (await say(conversation, "later", client_id="x")).duplicate


async def test_a_double_of_an_interrupting_message_interrupts_nothing(world: World) -> None:
    conversation = await world.start(Agent(name="a", model=ScriptedModel([Step("half", hangs="after")] * 2)))
    await say(conversation, "first")
    await until(lambda: conversation.inspect().state == "streaming")
    await say(conversation, "second", on_busy="interrupt", client_id="x")

    again = await say(conversation, "second", on_busy="interrupt", client_id="x")

    assert again.duplicate
    assert ends(await world.events()) == [("cancelled", "interrupted")]


async def test_interrupt_keeps_the_partial_answer(world: World) -> None:
    steps = [Step("half of it", hangs="after"), Step("the other")]
    conversation = await world.start(Agent(name="a", model=ScriptedModel(steps)))
    await say(conversation, "one")
    await until(lambda: (conversation.inspect().streaming or {}).get("text") == "half of it")

    receipt = await say(conversation, "two", on_busy="interrupt")

    assert await rest(conversation) == "idle"
    assert spoken(await world.events()) == [("half of it", "cancelled"), ("the other", "completed")]
    said = (await world.log())[receipt.seq - 1]
    assert isinstance(said.event, UserMsg), "the receipt names the message, not what was kept before it"
    assert said.event.turn == receipt.turn == 2


async def test_steer_while_streaming_is_read_by_one_more_call(world: World) -> None:
    steps = [Step("one"), Step("two")]
    conversation = await world.start(Agent(name="a", model=ScriptedModel(steps, delay=0.05)))
    await say(conversation, "a")
    await until(lambda: conversation.inspect().state in ("preparing", "streaming"))

    await say(conversation, "and b", on_busy="steer")

    assert await rest(conversation) == "idle"
    assert [words for words, _ in spoken(await world.events())] == ["one", "two"]
    assert ends(await world.events()) == [("completed", None)]


async def test_queued_messages_run_without_a_flicker_to_idle(world: World) -> None:
    bench = Bench()
    conversation = await world.start(worker(bench.tool))
    async with watching(world.store) as watcher:
        await say(conversation, "one")
        await bench.begun()
        await say(conversation, "two", on_busy="queue")
        await say(conversation, "three", on_busy="queue")
        bench.finish.set()
        await watcher.until("turn_completed", turn=2)

    states = [(event["turn"], event["state"]) for event in watcher.seen if event["type"] == "state_changed"]
    assert states == [
        *[(1, "preparing"), (1, "streaming"), (1, "executing_tools"), (1, "preparing"), (1, "streaming")],
        *[(2, "preparing"), (2, "streaming"), (2, "executing_tools"), (2, "preparing"), (2, "streaming"), (2, "idle")],
    ]
    assert [event["turn"] for event in watcher.seen if event["type"] == "turn_started"] == [1, 2]


async def test_rest_is_not_reached_between_two_turns(world: World) -> None:
    bench = Bench()
    conversation = await world.start(worker(bench.tool))
    await say(conversation, "one")
    await bench.begun()
    await say(conversation, "two", on_busy="queue")

    bench.finish.set()
    assert await rest(conversation) == "idle"

    assert ends(conversation.history.events) == [("completed", None)] * 2


async def test_rest_is_not_reached_while_a_message_is_in_the_mail(world: World) -> None:
    conversation = await world.start(Agent(name="a", model=ScriptedModel([Step("hm", hangs="after"), Step("two")])))
    await say(conversation, "one")
    await until(lambda: (conversation.inspect().streaming or {}).get("text"))
    resting = asyncio.create_task(conversation.rest())

    await asyncio.gather(conversation.cancel(), say(conversation, "two"))

    status = await resting
    assert (status.state, status.turn) == ("idle", 2)


async def test_queued_messages_survive_a_crash(world: World) -> None:
    bench = Bench()
    agent = worker(bench.tool)
    conversation = await world.start(agent)
    await say(conversation, "one")
    await bench.begun()
    await say(conversation, "two", on_busy="queue")
    await world.crash(conversation)

    bench.finish.set()
    conversation = await world.open(agent)

    assert await rest(conversation) == "idle"
    assert ends(await world.events()) == [("completed", None)] * 2


async def test_a_queued_message_is_held_while_a_person_is_asked(world: World) -> None:
    bench = Bench(approval="required")
    bench.finish.set()
    conversation = await world.start(worker(bench.tool))
    await say(conversation, "one")
    await rest(conversation)

    await say(conversation, "two", on_busy="queue")
    assert await rest(conversation) == "awaiting_input"
    assert bench.runs == []

    await conversation.resolve(Resolve(tool_call_id=next(iter(conversation.inspect().pending)), decision="approve"))
    await until(lambda: conversation.inspect().turn == 2)
    assert ends(await world.events()) == [("completed", None)]


async def test_an_interrupting_message_answers_what_waits(world: World) -> None:
    bench = Bench(approval="required")
    conversation = await world.start(worker(bench.tool))
    await say(conversation, "one")
    await rest(conversation)

    await say(conversation, "never mind", on_busy="interrupt")

    assert results(await world.events())[0] == ("cancelled", "cancelled: another message came in")


async def test_cancel_ends_the_running_turn_and_the_queued_one_follows(world: World) -> None:
    bench = Bench()
    conversation = await world.start(worker(bench.tool))
    await say(conversation, "one")
    await bench.begun()
    await say(conversation, "two", on_busy="queue")

    await conversation.cancel("ada")

    assert await rest(conversation) == "idle"
    assert ends(await world.events()) == [("cancelled", "user_cancelled"), ("completed", None)]


async def test_an_agent_may_not_start_itself_for_ever(world: World) -> None:
    agent = Agent(name="a", model=ScriptedModel([Step("hm")] * 9), limits=Limits(self_started=3))
    conversation = await world.start(agent)
    reminder = UserMessage(content=text("go on"), origin="agent")
    for _ in range(3):
        await conversation.send(reminder)
        await rest(conversation)

    with pytest.raises(Refused) as refused:
        await conversation.send(reminder)

    assert refused.value.code == "self_run_limit"
    await say(conversation, "a person may")
    await rest(conversation)
    await conversation.send(reminder)
    assert await rest(conversation) == "idle"


async def test_a_receipt_says_whether_the_turn_had_begun_before(world: World) -> None:
    bench = Bench()
    conversation = await world.start(worker(bench.tool))
    first = await say(conversation, "one")
    await bench.begun()
    queued = await say(conversation, "two", on_busy="queue")
    steered = await say(conversation, "three", on_busy="steer")
    assert [(receipt.turn, receipt.steered) for receipt in (first, queued, steered)] == [
        (1, False),
        (2, False),
        (1, True),
    ]
    sent = steered.__getstate__()  # type: ignore[attr-defined]
    steered.__setstate__(sent[:-1])
    assert not steered.steered, "as a host with the code before sends it"
    bench.finish.set()
    await rest(conversation)

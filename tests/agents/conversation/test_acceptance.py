"""Commands to a conversation that lives nowhere: taken into the log at once, and carried out when it lives again."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from agents.agent import Agent, Catalog
from agents.context import AgentContext
from agents.conversation import Conversation, Receipt
from agents.conversation.abort_turn import give_up_start_in_log
from agents.conversation.acceptance import NeedsIncarnation, accepting
from agents.errors import Refused
from agents.models import ScriptedModel, Step
from agents.services import Services
from agents.turn.events import UserMsg
from agents.turn.inputs import Resolve
from store import ConversationMeta, Fenced
from tests.support.conversation_workbench import Bench, worker
from tests.support.conversations import World, ends, rest, results, say, spoken, watching

ECHO = Agent(name="a", model=ScriptedModel([Step("one"), Step("two"), Step("three")]))


async def accept(
    world: World,
    agent: Agent,
    command: Callable[[Conversation], Awaitable[Receipt]],
    found: ConversationMeta | None = None,
) -> Receipt:
    """One command to the conversation while it lives nowhere."""
    world.agents[agent.name] = agent
    services = Services(store=world.store, conversations=world.doors, cluster="here")
    meta = found or await world.store.registry.get("c")
    async with accepting(services, Catalog(world.agents, default=agent.name), meta) as conversation:
        return await command(conversation)


async def test_a_message_is_durable_and_is_answered_by_the_next_incarnation(world: World) -> None:
    await world.create(ECHO)
    async with watching(world.store) as watcher:
        receipt = await accept(world, ECHO, lambda one: say(one, "hello", client_id="m1"))
        assert receipt == Receipt(1, 1)
        assert [type(event).__name__ for event in await world.events()] == ["UserMsg"]
        assert await world.store.registry.unfinished(2**60, 10) == ["c"], "the sweep finds it"
        await watcher.until("turn_started")
    assert (await world.store.registry.get("c")).place is None

    again = await accept(world, ECHO, lambda one: say(one, "hello", client_id="m1"))
    assert again == Receipt(1, 1, duplicate=True)
    with pytest.raises(Refused, match="running"):
        await accept(world, ECHO, lambda one: say(one, "and?", client_id="m2"))
    assert (await accept(world, ECHO, lambda one: say(one, "and?", on_busy="queue", client_id="m3"))).turn == 2

    conversation = await world.open(ECHO)
    assert await rest(conversation) == "idle"
    assert ends(await world.events()) == [("completed", None), ("completed", None)]


async def test_messages_of_several_persons_are_taken_for_turns_of_their_own(world: World) -> None:
    await world.create(ECHO)
    for turn, name in enumerate(("ada", "bob", "cy"), 1):
        receipt = await accept(world, ECHO, lambda one, name=name: say(one, name, principal=name, on_busy="steer"))
        assert (receipt.turn, receipt.steered) == (turn, False)
    cancelled = await accept(world, ECHO, lambda one: one.cancel("ada", 1))
    assert cancelled.turn == 1
    cancelled = await accept(world, ECHO, lambda one: one.cancel("ada", 2))
    assert cancelled.turn == 2
    assert await world.store.registry.unfinished(2**60, 10) == ["c"], "the third one waits still"
    conversation = await world.open(ECHO)
    assert await rest(conversation) == "idle"
    assert spoken(await world.events()) == [("one", "completed")]
    said = [(event.turn, event.principal) for event in await world.events() if isinstance(event, UserMsg)]
    assert said == [(1, "ada"), (2, "bob"), (3, "cy")]


async def test_a_message_that_waits_is_cancelled_at_once(world: World) -> None:
    await world.create(ECHO)
    await accept(world, ECHO, say)
    cancelled = await accept(world, ECHO, lambda one: one.cancel("ada", 1))
    assert cancelled.turn == 1
    assert ends(await world.events()) == [("cancelled", "user_cancelled")]
    again = await accept(world, ECHO, lambda one: one.cancel("ada", 1))
    assert again == replace(cancelled, duplicate=True), "the same cancel again"
    with pytest.raises(Refused, match="No turn"):
        await accept(world, ECHO, lambda one: one.cancel("ada"))
    assert await world.store.registry.unfinished(2**60, 10) == []


async def test_an_interrupt_begins_the_next_turn(world: World) -> None:
    await world.create(ECHO)
    await accept(world, ECHO, say)
    assert (await accept(world, ECHO, lambda one: say(one, "no, this", on_busy="interrupt"))).turn == 2
    assert await rest(await world.open(ECHO)) == "idle"
    assert ends(await world.events()) == [("cancelled", "interrupted"), ("completed", None)]


async def test_what_an_incarnation_refuses_is_refused_here_too(world: World) -> None:
    await world.create(ECHO)
    with pytest.raises(Refused, match="no model"):
        await accept(world, ECHO, lambda one: one.ask("hello", model="another"))
    with pytest.raises(Refused, match="Nothing waits"):
        await accept(world, ECHO, lambda one: one.resolve(Resolve(tool_call_id="x", decision="approve")))
    assert await world.events() == []


async def test_an_approval_is_taken_and_the_call_made_once_by_the_next_incarnation(world: World) -> None:
    bench = Bench(approval="required")
    bench.finish.set()
    agent = worker(bench.tool)
    waiting = await world.start(agent)
    await say(waiting)
    await rest(waiting)
    [call] = waiting.inspect().pending
    await waiting.stop()

    approval = Resolve(tool_call_id=call, decision="approve", principal="ada")
    receipt = await accept(world, agent, lambda one: one.resolve(approval))
    assert await accept(world, agent, lambda one: one.resolve(approval)) == replace(receipt, duplicate=True)
    assert bench.runs == []
    assert await rest(await world.open(agent)) == "idle"
    assert [context.tool_call_id for context in bench.runs] == [call]
    assert [status for status, _ in results(await world.events())] == ["ok"]


@pytest.mark.parametrize("report", [False, True])
async def test_a_call_that_may_not_be_repeated_needs_an_incarnation(world: World, report: bool) -> None:
    bench = Bench(approval="required")
    bench.finish.set()
    gated = replace(bench.tool, on_unknown_outcome="report") if report else bench.tool
    agent = worker(gated)
    waiting = await world.start(agent)
    await say(waiting)
    await rest(waiting)
    [call] = waiting.inspect().pending
    await waiting.stop()
    approval = Resolve(tool_call_id=call, decision="approve", principal="ada")
    before = await world.events()
    if report:
        with pytest.raises(NeedsIncarnation):
            await accept(world, agent, lambda one: one.resolve(approval))
        assert await world.events() == before
    else:
        await accept(world, agent, lambda one: one.resolve(approval))
        assert len(await world.events()) == len(before) + 1


async def test_the_cancel_of_a_call_that_has_begun_needs_an_incarnation(world: World) -> None:
    bench = Bench()
    agent = worker(bench.tool)
    dying = await world.start(agent)
    await say(dying)
    await bench.begun()
    await world.crash(dying)
    before = await world.events()
    with pytest.raises(NeedsIncarnation):
        await accept(world, agent, lambda one: one.cancel("ada", 1))
    assert await world.events() == before


async def test_an_incarnation_that_has_begun_meanwhile_is_not_fenced(world: World) -> None:
    await world.create(ECHO)
    found = await world.store.registry.get("c")
    living = await world.open(ECHO)
    with pytest.raises(Fenced):
        await accept(world, ECHO, say, found)
    await say(living)
    assert await rest(living) == "idle"
    assert spoken(await world.events()) == [("one", "completed")]


async def test_many_messages_at_once_are_each_taken_once(world: World) -> None:
    await world.create(ECHO)

    async def insist(number: int) -> Receipt:
        while True:
            try:
                return await accept(
                    world, ECHO, lambda one: say(one, str(number), on_busy="queue", client_id=str(number))
                )
            except Fenced:  # another one has claimed in between
                await asyncio.sleep(0)

    receipts = await asyncio.gather(*map(insist, range(8)))
    assert sorted(receipt.seq for receipt in receipts) == list(range(1, 9))


async def test_the_context_of_an_accepted_message_is_that_of_its_turn(world: World) -> None:
    bench = Bench()
    bench.finish.set()
    agent = worker(bench.tool)
    await world.create(agent)
    await accept(world, agent, lambda one: say(one, client_id="m1"))
    services = Services(store=world.store, conversations=world.doors)
    sent = ("m1", AgentContext(principal="ada", trace_id="the trace"))
    conversation = await Conversation.open(services, "c", Catalog(world.agents, default=agent.name), sent)
    assert await rest(conversation) == "idle"
    assert [context.context.trace_id for context in bench.runs] == ["the trace"]
    conversation.abandon()


async def test_a_turn_that_cannot_be_started_ends_with_a_reason(world: World) -> None:
    await world.create(ECHO)
    await accept(world, ECHO, say)
    found = await world.store.registry.get("c")
    await give_up_start_in_log(world.store, found, "no node has a moonstone")
    [(outcome, reason)] = ends(await world.events())
    assert (outcome, reason) == ("failed", "not_started")
    with pytest.raises(Fenced):
        await give_up_start_in_log(world.store, found, "no node has a moonstone")

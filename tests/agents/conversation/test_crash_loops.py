"""A turn that ends one incarnation after another is ended itself; one whose incarnations leave or get on is not."""

from collections.abc import AsyncIterator, Awaitable, Sequence
from typing import Any, Protocol

import pytest

from agents.agent import Agent, Catalog
from agents.codec import encode
from agents.conversation import Conversation
from agents.conversation.acceptance import accepting
from agents.conversation.crash_loops import MAX_LOST, must_be_alone
from agents.errors import Superseded, UnknownAgent
from agents.middleware.pipeline.middleware import Middleware
from agents.middleware.pipeline.turn_context import TurnContext
from agents.models import Call, ModelRequest, ScriptedModel, Step
from agents.services import Services
from agents.turn import Event
from agents.turn.events import StatePatch, TurnEnded
from store import Store
from tests.support.conversation_workbench import Bench, worker
from tests.support.conversations import World, ends, rest, results, say, spoken, until, watching


class Open(Protocol):
    """Opens an incarnation; `beside` others, or alone in its process."""

    def __call__(self, agent: Agent, *, beside: bool = False) -> Awaitable[Conversation]: ...


@pytest.fixture
async def open_at(world: World) -> AsyncIterator[Open]:
    """Opens incarnations that can be reached, each in another place."""
    opened: list[Conversation] = []

    async def open_next(agent: Agent, *, beside: bool = False) -> Conversation:
        services = Services(store=world.connect(), place=f"place {len(opened)}", is_alone=not beside)
        opened.append(await Conversation.open(services, "c", Catalog([agent])))
        return opened[-1]

    yield open_next
    for conversation in opened:
        conversation.abandon()


def silent(asked: list[ModelRequest]) -> Agent:
    """An agent that never answers "hello"; each call of the model is noted."""

    def step(request: ModelRequest) -> Step:
        asked.append(request)
        said = request.messages[-1]["content"][-1]["text"]
        return Step("never", hangs="before") if said == "hello" else Step("hi again")

    return Agent(name="silent", model=ScriptedModel(step))


async def test_a_turn_that_ends_every_process_is_ended_with_a_reason_that_people_see(
    world: World, open_at: Open
) -> None:
    asked: list[ModelRequest] = []
    agent = silent(asked)
    await world.create(agent)
    conversation = await open_at(agent)
    await say(conversation)
    for number in range(1, MAX_LOST):
        await until(lambda number=number: len(asked) == number)
        conversation.abandon()  # as when the process dies
        conversation = await open_at(agent)
    await until(lambda: len(asked) == MAX_LOST)
    conversation.abandon()

    async with watching(world.store) as watcher:
        conversation = await open_at(agent)
        await watcher.until("turn_failed", reason="crashed_repeatedly")
    assert await rest(conversation) == "idle"

    end = (await world.events())[-1]
    assert isinstance(end, TurnEnded)
    assert (end.outcome, end.reason) == ("failed", "crashed_repeatedly")
    assert end.detail == "The turn was stopped: the process that worked on it ended again and again."
    assert len(asked) == MAX_LOST, "it is not paid for again"
    assert await world.store.registry.unfinished(2**60, 10) == []
    await say(conversation, "are you there?")
    assert await rest(conversation) == "idle"
    assert spoken(await world.events()) == [("hi again", "completed")]


async def test_every_call_of_such_a_turn_gets_its_result(world: World, open_at: Open) -> None:
    bench, gated = Bench(), Bench(approval="required", name="gated")
    agent = worker(bench.tool, gated.tool, calls=[Call("work"), Call("gated")])
    await world.create(agent)
    conversation = await open_at(agent)
    await say(conversation)
    for number in range(1, MAX_LOST + 1):
        await bench.begun(runs=number)
        conversation.abandon()
        conversation = await open_at(agent)

    assert await rest(conversation) == "idle"

    assert len(bench.runs) == MAX_LOST
    assert len({run.tool_call_id for run in bench.runs}) == 1
    assert results(await world.events()) == [
        ("unknown", "The outcome of this call is unknown: the process that ran it ended again and again."),
        ("cancelled", "cancelled: the process that worked on the turn ended again and again"),
    ]
    assert ends(await world.events()) == [("failed", "crashed_repeatedly")]


async def test_a_message_that_waits_behind_such_a_turn_is_answered(world: World, open_at: Open) -> None:
    asked: list[ModelRequest] = []
    agent = silent(asked)
    await world.create(agent)
    conversation = await open_at(agent)
    await say(conversation)
    for number in range(1, MAX_LOST + 1):
        await until(lambda number=number: len(asked) == number)
        if number == MAX_LOST:
            await say(conversation, "and this", on_busy="queue")  # is no progress of the turn
        conversation.abandon()
        conversation = await open_at(agent)

    assert await rest(conversation) == "idle"
    assert ends(await world.events()) == [("failed", "crashed_repeatedly"), ("completed", None)]


async def test_an_incarnation_that_fails_at_an_append_counts_wherever_it_lives(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[ModelRequest] = []

    def step(request: ModelRequest) -> Step:
        asked.append(request)
        return Step("hi")

    agent = Agent(name="a", model=ScriptedModel(step))
    conversation = await world.start(agent)

    def broken(event: Any, at: int) -> Any:
        if event.__class__.__name__ == "AssistantMsg":
            raise TypeError("the writer has a fault")
        return encode(event, at)

    monkeypatch.setattr("agents.conversation.journal.encode", broken)
    await say(conversation)
    await conversation.gone
    for _ in range(MAX_LOST - 1):
        conversation = await world.open(agent)
        await conversation.gone
    conversation = await world.open(agent)

    assert await rest(conversation) == "idle"
    assert not conversation.gone.done()
    assert len(asked) == MAX_LOST
    assert ends(await world.events()) == [("failed", "crashed_repeatedly")]


async def test_progress_of_the_turn_begins_the_count_again(world: World, open_at: Open) -> None:
    benches = [Bench(name=f"work{number}") for number in range(2 * MAX_LOST)]
    steps = [Step(calls=[Call(f"work{number}")]) for number in range(2 * MAX_LOST)]
    agent = Agent(name="a", model=ScriptedModel([*steps, Step("done")]), tools=tuple(bench.tool for bench in benches))
    await world.create(agent)
    conversation = await open_at(agent)
    await say(conversation)
    for bench in benches:
        await bench.begun()
        conversation.abandon()
        conversation = await open_at(agent)
        await bench.begun(runs=2)
        bench.finish.set()

    assert await rest(conversation) == "idle"
    assert ends(await world.events()) == [("completed", None)]


async def test_a_turn_that_never_died_alone_is_not_ended_however_often_it_died(world: World, open_at: Open) -> None:
    bench = Bench()
    agent = worker(bench.tool)
    await world.create(agent)
    conversation = await open_at(agent, beside=True)
    await say(conversation)
    for number in range(1, 4 * MAX_LOST):
        await bench.begun(runs=number)
        conversation.abandon()
        meta = await world.store.registry.get("c")
        assert must_be_alone(meta) == (number >= MAX_LOST - 1)
        conversation = await open_at(agent, beside=True)
    await bench.begun(runs=4 * MAX_LOST)
    bench.finish.set()
    assert await rest(conversation) == "idle"
    assert ends(await world.events()) == [("completed", None)]
    assert not must_be_alone(await world.store.registry.get("c"))


async def test_a_turn_that_ends_shared_processes_is_ended_once_it_has_ended_its_own(
    world: World, open_at: Open
) -> None:
    asked: list[ModelRequest] = []
    agent = silent(asked)
    await world.create(agent)
    conversation = await open_at(agent, beside=True)
    await say(conversation)
    for number in range(1, MAX_LOST + 1):
        await until(lambda number=number: len(asked) == number)
        conversation.abandon()
        is_apart = must_be_alone(await world.store.registry.get("c"))
        assert is_apart == (number == MAX_LOST - 1)
        conversation = await open_at(agent, beside=not is_apart)
    assert await rest(conversation) == "idle"
    assert ends(await world.events()) == [("failed", "crashed_repeatedly")]
    assert len(asked) == MAX_LOST


async def test_a_death_alone_long_before_is_not_held_against_a_turn(world: World, open_at: Open) -> None:
    bench = Bench()
    agent = worker(bench.tool)
    await world.create(agent)
    conversation = await open_at(agent)
    await say(conversation)
    for number in range(1, MAX_LOST + 2):  # its node dies, then hosts in which it runs beside others
        await bench.begun(runs=number)
        conversation.abandon()
        conversation = await open_at(agent, beside=True)
    bench.finish.set()
    assert await rest(conversation) == "idle"
    assert ends(await world.events()) == [("completed", None)]


async def test_what_is_accepted_for_a_suspect_turn_leaves_it_apart(world: World, open_at: Open) -> None:
    bench = Bench()
    agent = worker(bench.tool)
    await world.create(agent)
    for number in range(1, MAX_LOST):
        conversation = await open_at(agent, beside=True)
        if number == 1:
            await say(conversation)
        await bench.begun(runs=number)
        conversation.abandon()
    services = Services(store=world.connect())
    async with accepting(services, Catalog([agent]), await world.store.registry.get("c")) as acceptor:
        await say(acceptor, "and this", on_busy="queue")
    assert must_be_alone(await world.store.registry.get("c"))
    conversation = await open_at(agent)
    await bench.begun(runs=MAX_LOST)
    await conversation.stop()
    assert must_be_alone(await world.store.registry.get("c")), "until it has got on"


async def test_what_the_background_writes_is_no_progress(world: World, open_at: Open) -> None:
    class Counts(Middleware):
        async def on_start(self, context: TurnContext) -> None:
            context.patch_later({"epoch": context.meta.epoch})

    asked: list[ModelRequest] = []
    agent = silent(asked)
    agent = Agent(name="silent", model=agent.model, middleware=(Counts(),))
    await world.create(agent)
    conversation = await open_at(agent)
    await say(conversation)
    for number in range(1, MAX_LOST + 1):
        await until(lambda number=number: len(asked) == number)
        await until(lambda number=number, history=conversation.history: _count_patches(history.events) == number)
        conversation.abandon()
        conversation = await open_at(agent)
    assert await rest(conversation) == "idle"
    assert ends(await world.events()) == [("failed", "crashed_repeatedly")]


async def test_an_incarnation_that_leaves_in_good_order_does_not_count(world: World, open_at: Open) -> None:
    bench = Bench()
    agent = worker(bench.tool)
    await world.create(agent)
    conversation = await open_at(agent)
    await say(conversation)
    for number in range(1, 2 * MAX_LOST):
        await bench.begun(runs=number)
        await conversation.stop()
        conversation = await open_at(agent)
    await bench.begun(runs=2 * MAX_LOST)
    bench.finish.set()

    assert await rest(conversation) == "idle"
    assert ends(await world.events()) == [("completed", None)]


async def test_an_incarnation_that_was_alive_when_it_was_fenced_does_not_count(world: World, open_at: Open) -> None:
    bench = Bench()
    agent = worker(bench.tool)
    await world.create(agent)
    conversation = await open_at(agent)
    await say(conversation)
    for number in range(1, 2 * MAX_LOST):
        await bench.begun(runs=number)
        newer = await open_at(agent)
        with pytest.raises(Superseded):
            await conversation.cancel()
        await _until_lost(world.store, 0)
        conversation = newer
    bench.finish.set()

    assert await rest(conversation) == "idle"
    assert ends(await world.events()) == [("completed", None)]


async def test_a_question_outlives_every_process_that_dies_while_people_are_asked(world: World, open_at: Open) -> None:
    gated = Bench(approval="required")
    gated.finish.set()
    agent = worker(gated.tool)
    await world.create(agent)
    conversation = await open_at(agent)
    await say(conversation)
    for _ in range(2 * MAX_LOST):
        assert await rest(conversation) == "awaiting_input"
        conversation.abandon()
        conversation = await open_at(agent)
    assert await rest(conversation) == "awaiting_input"
    await _until_lost(world.store, 0)
    await conversation.cancel()


async def test_an_agent_that_is_not_served_for_a_while_loses_no_turn(world: World, open_at: Open) -> None:
    bench = Bench()
    agent = worker(bench.tool)
    await world.create(agent)
    conversation = await open_at(agent)
    await say(conversation)
    await bench.begun()
    conversation.abandon()
    for _ in range(2 * MAX_LOST):
        with pytest.raises(UnknownAgent):
            await open_at(Agent(name="other", model=agent.model))
    conversation = await open_at(agent)
    bench.finish.set()
    assert await rest(conversation) == "idle"
    assert ends(await world.events()) == [("completed", None)]


def _count_patches(events: Sequence[Event]) -> int:
    return sum(isinstance(event, StatePatch) for event in events)


async def _until_lost(store: Store, expected: int) -> None:
    """Wait until so many incarnations count as lost."""
    key = store.keys.conversation("c").meta
    lost: list[int] = []
    while not lost or lost[-1] != expected:
        found = await store.log._client.redis.hget(key, "lost")
        lost.append(len((found or b"").split()))

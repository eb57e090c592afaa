"""A cancel goes down the tree: at once, and also when those who should have passed it on are dead."""

from typing import Any

import pytest

from agents.agent import Agent
from agents.middleware.sub_agent import SubAgent
from agents.middleware.sub_agent.log_reader import read_result
from agents.middleware.sub_agent.orphan_guard import OrphanGuard
from agents.models import Call, ScriptedModel, Step
from agents.turn.events import ToolResult, TurnEnded
from store import StoreUnavailable
from tests.support.conversation_workbench import Bench
from tests.support.conversations import World, ends, rest, results, say, until
from tests.support.sub_agent_world import Post, asked, boss, child_of, ended, manager, scholar, task

CANCELLED = [("cancelled", "user_cancelled")]


def working(bench: Bench) -> Agent:
    return scholar(Step(calls=[Call("work")]), Step("worked"), tools=(bench.tool,))


async def test_cancel_reaches_a_sub_agent_that_works(world: World) -> None:
    bench = Bench()
    parent = await world.start(boss(working(bench), calls=[task("scholar", "one"), task("scholar", "two")]))
    await say(parent)
    await bench.begun(runs=2)
    await parent.cancel("ada")
    await until(lambda: bench.cancelled == 2)
    for number in range(2):
        child = await child_of(world, number=number)
        await ended(world, child.id)
        events = await world.events(child.id)
        assert ends(events) == CANCELLED
        assert [event.principal for event in events if isinstance(event, TurnEnded)] == ["ada"]
    assert results(await world.events()) == [("cancelled", "[cancelled]")] * 2


async def test_cancel_reaches_the_bottom_of_the_tree(world: World) -> None:
    bench = Bench()
    middle = manager(working(bench), calls=[task("scholar", "work")])
    root = await world.start(boss(middle, calls=[task("manager", "see to it")]))
    await say(root)
    await bench.begun()
    await root.cancel("ada")
    await until(lambda: bench.cancelled == 1)
    child = await child_of(world)
    grandchild = await child_of(world, child.id)
    for conversation_id in (child.id, grandchild.id):
        await ended(world, conversation_id)
        assert ends(await world.events(conversation_id)) == CANCELLED


async def test_cancel_reaches_a_sub_agent_that_waits_for_people(world: World) -> None:
    post = Post()
    parent = await world.start(boss(post.clerk("hello"), calls=[task("clerk", "write")]))
    await say(parent)
    await asked(parent)
    await parent.cancel("ada")
    child = await child_of(world)
    await ended(world, child.id)
    assert ends(await world.events(child.id)) == CANCELLED
    assert results(await world.events(child.id)) == [("cancelled", "user cancelled")]


async def test_cancel_reaches_a_sub_agent_that_does_not_live(world: World) -> None:
    post = Post()
    parent = await world.start(boss(post.clerk("hello"), calls=[task("clerk", "write")]))
    await say(parent)
    await asked(parent)
    child = await child_of(world)
    for conversation_id in (child.id, "c"):
        await world.crash(await world.doors.reach(conversation_id))
    parent = await world.revive("c")
    await parent.cancel("ada")
    await until(lambda: child.id in world.doors.live and not world.doors.live[child.id].gone.done())
    await ended(world, child.id)
    assert ends(await world.events(child.id)) == CANCELLED


async def test_a_message_that_interrupts_cancels_them_too(world: World) -> None:
    bench = Bench()
    parent = await world.start(boss(working(bench), calls=[task("scholar", "one")]))
    await say(parent)
    await bench.begun()
    await say(parent, "stop that", on_busy="interrupt")
    await until(lambda: bench.cancelled == 1)
    child = await child_of(world)
    await ended(world, child.id)
    assert ends(await world.events(child.id)) == CANCELLED


async def given_up(world: World, conversation_id: str) -> None:
    """Cancel as a parent does that dies right after it is in the log: nobody passes it on."""
    parent = await world.doors.reach(conversation_id)
    parent._effects._calls.abandon = _tell_nobody  # type: ignore[method-assign]
    await parent.cancel("ada")
    await world.crash(parent)


async def _tell_nobody(_: object) -> None:
    """What a process does that is dead."""


async def test_a_sub_agent_looks_up_before_it_calls_the_model(world: World) -> None:
    bench = Bench()
    parent = await world.start(boss(working(bench), calls=[task("scholar", "one")]))
    await say(parent)
    await bench.begun()
    await given_up(world, "c")
    bench.finish.set()
    child = await child_of(world)
    await ended(world, child.id)
    events = await world.events(child.id)
    assert results(events) == [("ok", "any done")], "what was done is kept"
    assert ends(events) == CANCELLED
    assert [event.principal for event in events if isinstance(event, TurnEnded)] == ["ada"]


async def test_a_sub_agent_that_waits_for_people_looks_up_as_well(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.middleware.sub_agent.orphan_guard.LOOK_SECONDS", 0.02)
    post = Post()
    parent = await world.start(boss(post.clerk("hello"), calls=[task("clerk", "write")]))
    await say(parent)
    await asked(parent)
    await given_up(world, "c")
    child = await child_of(world)
    await ended(world, child.id)
    assert ends(await world.events(child.id)) == CANCELLED


async def test_a_sub_agent_that_is_revived_looks_up_first(world: World) -> None:
    post = Post()
    parent = await world.start(boss(post.clerk("hello"), calls=[task("clerk", "write")]))
    await say(parent)
    await asked(parent)
    child = await child_of(world)
    await world.crash(await world.doors.reach(child.id))
    await given_up(world, "c")
    await ended(world, child.id)
    assert ends(await world.events(child.id)) == CANCELLED


async def test_a_message_that_arrives_after_the_cancel_starts_nothing(world: World) -> None:
    """The parent is cancelled while its message to the child is under way."""
    bench = Bench()
    parent = await world.start(boss(working(bench), calls=[task("scholar", "one")]))
    await say(parent)
    await bench.begun()
    child = await child_of(world)
    await given_up(world, "c")
    await world.crash(await world.doors.reach(child.id))
    bench.finish.set()
    await ended(world, child.id)
    assert ends(await world.events(child.id)) == CANCELLED


async def test_an_outage_is_no_reason_to_give_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    outages = [StoreUnavailable("gone fishing")] * 2

    async def read(*call: Any) -> ToolResult | None:
        if outages:
            raise outages.pop()
        return await read_result(*call)

    monkeypatch.setattr("agents.middleware.pipeline.store_retry.PAUSE_SECONDS", 0.01)
    monkeypatch.setattr("agents.middleware.sub_agent.orphan_guard.read_result", read)
    parent = await world.start(boss(scholar(Step("A beam.")), calls=[task("scholar", "go")]))
    await say(parent)
    assert await rest(parent) == "idle"
    assert results(await world.events()) == [("ok", "A beam.")]
    assert outages == []


async def test_the_tether_is_on_every_sub_agent_once(world: World) -> None:
    bench = Bench()
    parent = await world.start(Agent(name="boss", model=ScriptedModel([]), middleware=(SubAgent((working(bench),)),)))
    catalog_agent = parent.agent
    for path in (("scholar",), ("general",), ("general", "general"), ("general", "scholar")):
        agent = catalog_agent
        for name in path:
            [delegate] = [found for part in agent.middleware if (found := part.delegate(agent, name))]
            agent = delegate
        assert [isinstance(member, OrphanGuard) for member in agent.middleware].count(True) == 1

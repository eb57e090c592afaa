"""A cancel reaches all sub-agents: at once, and also if the parent dies before it has passed the cancel on."""

from typing import Any

import pytest

from agents.agent import Agent
from agents.middleware.sub_agent import SubAgent
from agents.middleware.sub_agent.log_reader import read_result
from agents.middleware.sub_agent.orphan_guard import OrphanGuard
from agents.models import Call, ScriptedModel, Step
from agents.turn.events import ToolResult, TurnEnded
from agents.turn.inputs import Resolve
from store import StoreUnavailable
from tests.support.conversation_workbench import Bench
from tests.support.conversations import World, ends, rest, results, say, until
from tests.support.sub_agent_world import (
    LetterTool,
    boss,
    child_of,
    manager,
    scholar,
    task,
    wait_for_end,
    wait_for_question,
)

CANCELLED = [("cancelled", "user_cancelled")]


def working_agent(bench: Bench) -> Agent:
    return scholar(Step(calls=[Call("work")]), Step("worked"), tools=(bench.tool,))


async def test_cancel_reaches_a_working_sub_agent(world: World) -> None:
    bench = Bench()
    parent = await world.start(boss(working_agent(bench), calls=[task("scholar", "one"), task("scholar", "two")]))
    await say(parent)
    await bench.begun(runs=2)
    await parent.cancel("ada")
    await until(lambda: bench.cancelled == 2)
    for number in range(2):
        child = await child_of(world, number=number)
        await wait_for_end(world, child.id)
        events = await world.events(child.id)
        assert ends(events) == CANCELLED
        assert [event.principal for event in events if isinstance(event, TurnEnded)] == ["ada"]
    assert results(await world.events()) == [("cancelled", "[cancelled]")] * 2


async def test_a_cancel_is_acknowledged_when_no_sub_agent_works_any_more(world: World) -> None:
    bench = Bench()
    middle = manager(working_agent(bench), calls=[task("scholar", "work")])
    root = await world.start(boss(middle, calls=[task("manager", "see to it")]))
    await say(root)
    await bench.begun()
    child = await child_of(world)
    grandchild = await child_of(world, child.id)

    await root.cancel("ada")

    assert ends(await world.events(child.id)) == CANCELLED
    assert ends(await world.events(grandchild.id)) == CANCELLED


async def test_no_call_begins_in_a_sub_agent_that_the_cancel_has_not_reached(world: World) -> None:
    letters = LetterTool()
    parent = await world.start(boss(letters.clerk("hello"), calls=[task("clerk", "write")]))
    await say(parent)
    await wait_for_question(parent)
    child = await world.doors.reach((await child_of(world)).id)
    [call] = child.inspect().pending
    await crash_while_cancelling(world, "c")

    await child.resolve(Resolve(tool_call_id=call, decision="approve", principal="ada"))

    await wait_for_end(world, child.id)
    assert letters.sent == []
    assert ends(await world.events(child.id)) == CANCELLED


async def test_cancel_reaches_sub_agents_of_sub_agents(world: World) -> None:
    bench = Bench()
    middle = manager(working_agent(bench), calls=[task("scholar", "work")])
    root = await world.start(boss(middle, calls=[task("manager", "see to it")]))
    await say(root)
    await bench.begun()
    await root.cancel("ada")
    await until(lambda: bench.cancelled == 1)
    child = await child_of(world)
    grandchild = await child_of(world, child.id)
    for conversation_id in (child.id, grandchild.id):
        await wait_for_end(world, conversation_id)
        assert ends(await world.events(conversation_id)) == CANCELLED


async def test_cancel_reaches_a_sub_agent_that_waits_for_people(world: World) -> None:
    letters = LetterTool()
    parent = await world.start(boss(letters.clerk("hello"), calls=[task("clerk", "write")]))
    await say(parent)
    await wait_for_question(parent)
    await parent.cancel("ada")
    child = await child_of(world)
    await wait_for_end(world, child.id)
    assert ends(await world.events(child.id)) == CANCELLED
    assert results(await world.events(child.id)) == [("cancelled", "user cancelled")]


async def test_cancel_reaches_a_sub_agent_that_is_not_active(world: World) -> None:
    letters = LetterTool()
    parent = await world.start(boss(letters.clerk("hello"), calls=[task("clerk", "write")]))
    await say(parent)
    await wait_for_question(parent)
    child = await child_of(world)
    for conversation_id in (child.id, "c"):
        await world.crash(await world.doors.reach(conversation_id))
    parent = await world.revive("c")
    await parent.cancel("ada")
    await until(lambda: child.id in world.doors.live and not world.doors.live[child.id].gone.done())
    await wait_for_end(world, child.id)
    assert ends(await world.events(child.id)) == CANCELLED


async def test_a_message_that_interrupts_cancels_sub_agents_too(world: World) -> None:
    bench = Bench()
    parent = await world.start(boss(working_agent(bench), calls=[task("scholar", "one")]))
    await say(parent)
    await bench.begun()
    await say(parent, "stop that", on_busy="interrupt")
    await until(lambda: bench.cancelled == 1)
    child = await child_of(world)
    await wait_for_end(world, child.id)
    assert ends(await world.events(child.id)) == CANCELLED


async def crash_while_cancelling(world: World, conversation_id: str) -> None:
    """Have the parent die right after it has logged a cancel, before it has passed it on."""
    parent = await world.doors.reach(conversation_id)
    parent._driver._effects._calls.abandon = _do_nothing  # type: ignore[method-assign]
    await parent.cancel("ada")
    await world.crash(parent)


async def _do_nothing(_: object) -> None:
    """What a dead process would do."""


async def test_a_sub_agent_checks_its_parent_before_a_model_call(world: World) -> None:
    bench = Bench()
    parent = await world.start(boss(working_agent(bench), calls=[task("scholar", "one")]))
    await say(parent)
    await bench.begun()
    await crash_while_cancelling(world, "c")
    bench.finish.set()
    child = await child_of(world)
    await wait_for_end(world, child.id)
    events = await world.events(child.id)
    assert results(events) == [("ok", "any done")], "the result of the tool is kept"
    assert ends(events) == CANCELLED
    assert [event.principal for event in events if isinstance(event, TurnEnded)] == ["ada"]


async def test_a_sub_agent_that_waits_for_people_checks_its_parent(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.middleware.sub_agent.orphan_guard.LOOK_SECONDS", 0.02)
    letters = LetterTool()
    parent = await world.start(boss(letters.clerk("hello"), calls=[task("clerk", "write")]))
    await say(parent)
    await wait_for_question(parent)
    await crash_while_cancelling(world, "c")
    child = await child_of(world)
    await wait_for_end(world, child.id)
    assert ends(await world.events(child.id)) == CANCELLED


async def test_a_restarted_sub_agent_checks_its_parent(world: World) -> None:
    letters = LetterTool()
    parent = await world.start(boss(letters.clerk("hello"), calls=[task("clerk", "write")]))
    await say(parent)
    await wait_for_question(parent)
    child = await child_of(world)
    await world.crash(await world.doors.reach(child.id))
    await crash_while_cancelling(world, "c")
    await wait_for_end(world, child.id)
    assert ends(await world.events(child.id)) == CANCELLED


async def test_a_message_that_arrives_after_the_cancel_starts_nothing(world: World) -> None:
    """The parent is cancelled while its message is on the way to the child."""
    bench = Bench()
    parent = await world.start(boss(working_agent(bench), calls=[task("scholar", "one")]))
    await say(parent)
    await bench.begun()
    child = await child_of(world)
    await crash_while_cancelling(world, "c")
    await world.crash(await world.doors.reach(child.id))
    bench.finish.set()
    await wait_for_end(world, child.id)
    assert ends(await world.events(child.id)) == CANCELLED


async def test_an_outage_does_not_end_a_sub_agent(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    failures = [StoreUnavailable("gone fishing")] * 2

    async def read(*call: Any) -> ToolResult | None:
        if failures:
            raise failures.pop()
        return await read_result(*call)

    monkeypatch.setattr("agents.middleware.pipeline.store_retry.PAUSE_SECONDS", 0.01)
    monkeypatch.setattr("agents.middleware.sub_agent.orphan_guard.read_result", read)
    parent = await world.start(boss(scholar(Step("A beam.")), calls=[task("scholar", "go")]))
    await say(parent)
    assert await rest(parent) == "idle"
    assert results(await world.events()) == [("ok", "A beam.")]
    assert failures == []


async def test_every_sub_agent_has_one_orphan_guard(world: World) -> None:
    bench = Bench()
    parent = await world.start(
        Agent(name="boss", model=ScriptedModel([]), middleware=(SubAgent((working_agent(bench),)),))
    )
    catalog_agent = parent.agent
    for path in (("scholar",), ("general",), ("general", "general"), ("general", "scholar")):
        agent = catalog_agent
        for name in path:
            [delegate] = [found for part in agent.middleware if (found := part.delegate(agent, name))]
            agent = delegate
        assert [isinstance(member, OrphanGuard) for member in agent.middleware].count(True) == 1

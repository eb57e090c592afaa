"""A sub-agent's question says at the parent, too, who may decide; the decision counts below as it did there."""

from dataclasses import replace
from typing import Any

import pytest

from agents.agent import Agent
from agents.errors import Refused
from agents.middleware.human_in_the_loop import HumanInTheLoop
from agents.models import Call, ScriptedModel, Step
from agents.tools import tool
from agents.turn.events import Resolution
from agents.turn.inputs import Resolve
from tests.support.conversations import World, rest, results, say
from tests.support.sub_agent_world import boss, child_of, manager, task, wait_for_question

SENT: list[str] = []


@tool(approval="required", approvers=("admin", "another"))
def send(words: str) -> str:
    """Send a letter."""
    SENT.append(words)
    return f"sent {words}"


CLERK = Agent(
    name="clerk", model=ScriptedModel([Step(calls=[Call("send", {"words": "hi"})]), Step("sent")]), tools=(send,)
)


@pytest.mark.parametrize("is_deep", [False, True])
async def test_the_decision_at_the_parent_is_checked(world: World, is_deep: bool) -> None:
    SENT.clear()
    below = manager(CLERK, calls=[task("clerk", "write")]) if is_deep else CLERK
    parent = await world.start(boss(below, calls=[task(below.name, "write")]))
    await say(parent)
    tool_call_id, shown = await wait_for_question(parent)
    assert (shown["approvers"], shown["asked_by"]) == (["admin", "another"], ["ada"])

    def approved(principal: str, *standing: Any) -> Resolve:
        return Resolve(tool_call_id=tool_call_id, decision="approve", principal=principal, standing=standing)

    for forbidden in (approved("ada", "owner", "admin"), approved("bob", "owner", "members"), approved("bob")):
        with pytest.raises(Refused, match="an admin of the tenant, who is also another person"):
            await parent.resolve(forbidden)
    assert SENT == []
    await parent.resolve(approved("boss", "admin"))
    assert await rest(parent) == "idle"
    assert SENT == ["hi"]
    child = await child_of(world)
    lowest = await child_of(world, child.id) if is_deep else child
    [decided] = [event for event in await world.events(lowest.id) if isinstance(event, Resolution)]
    assert (decided.principal, decided.standing) == ("boss", ["admin"])


async def test_the_parents_answer_counts_after_a_crash(world: World) -> None:
    SENT.clear()
    parent = await world.start(boss(CLERK, calls=[task("clerk", "write")]))
    await say(parent)
    tool_call_id, _ = await wait_for_question(parent)
    decision = Resolve(tool_call_id=tool_call_id, decision="approve", principal="boss", standing=("admin",))
    await parent.resolve(decision)
    await world.crash(parent)
    assert await rest(await world.revive("c")) == "idle"
    assert SENT == ["hi"]
    assert results(await world.events()) == [("ok", "sent")]


async def test_who_has_approved_the_delegation_has_asked_as_well(world: World) -> None:
    gate = HumanInTheLoop({"task": True})
    agent = boss(CLERK, calls=[task("clerk", "write")])
    parent = await world.start(replace(agent, middleware=(gate, *agent.middleware)))
    await say(parent)
    tool_call_id, _ = await wait_for_question(parent)
    await parent.resolve(Resolve(tool_call_id=tool_call_id, decision="approve", principal="bob"))
    _, shown = await wait_for_question(parent)
    assert (shown["name"], shown["asked_by"]) == ("task", ["ada", "bob"])
    await parent.cancel("ada")

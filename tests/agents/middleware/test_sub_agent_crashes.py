"""A tree of sub-agents killed at any append: each log is the same in the end, and nothing is done twice."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from agents.agent import Agent
from agents.context import AgentContext
from agents.errors import Refused
from agents.middleware.budget import Budget
from agents.middleware.human_in_the_loop import HumanInTheLoop
from agents.models import Call, ScriptedModel, Step
from agents.tools import ToolContext, tool
from agents.turn.events import Suspension
from agents.turn.inputs import Resolve, UserMessage
from tests.support.conversations import World, ends, results, text
from tests.support.crashes import CrashingWorld, Moment, Victims, crashing_world, transcripts, wait_for_state
from tests.support.sub_agent_world import boss, manager, scholar, task

__all__ = ["crashing_world"]

APPENDS = 19
"""How many appends the scenario makes in all conversations together; a fixture below checks it."""


class TreeScenario:
    """The root delegates to a manager, which delegates to a clerk; a letter of the clerk needs an approval.

    Either the tool requires it, or a gate of the root does.
    """

    def __init__(self, *, gated_by_root: bool = False) -> None:
        self.executed: list[str] = []

        @tool
        async def look_up(word: str, context: ToolContext) -> str:
            """Look a word up."""
            self.executed.append(f"{context.conversation_id} {context.tool_call_id}")
            return f"{word}: a word"

        @tool(approval="auto" if gated_by_root else "required")
        async def send(words: str, context: ToolContext) -> str:
            """Send a letter."""
            self.executed.append(f"{context.conversation_id} {context.tool_call_id}")
            return f"{words}, signed {context.principal}"

        steps = [
            Step(calls=[Call("look_up", {"word": "ray"})]),
            Step(calls=[Call("send", {"words": "hi"})]),
            Step("Sent."),
        ]
        clerk = Agent(name="clerk", model=ScriptedModel(steps), tools=(look_up, send))
        middle = manager(clerk, calls=[task("clerk", "write")])
        self.root = boss(middle, calls=[task("manager", "see to it")])
        if gated_by_root:
            gate = HumanInTheLoop({"send": True})
            self.root = replace(
                self.root, middleware=(gate, Budget(conversation_tokens=1_000_000), *self.root.middleware)
            )

    async def play(self, world: World) -> None:
        """Send a message, approve the call, and wait for the end."""
        await world.start(self.root)
        message = UserMessage(content=text("go"), client_id="go", principal="ada")
        await world.doors.send("c", message, AgentContext(principal="ada"))
        pending = await wait_for_state(world, "awaiting_input")
        [tool_call_id] = pending
        resolution = Resolve(
            tool_call_id=tool_call_id,
            decision="approve",
            principal="bob",
            arguments_hash=pending[tool_call_id]["arguments_hash"],
        )
        with suppress(Refused):  # it is logged, but the conversation died before it answered
            await world.doors.resolve("c", resolution, AgentContext(principal="bob"))
        await wait_for_state(world, "idle")


@pytest.fixture
async def without_crash(crashing_world: CrashingWorld) -> dict[str, list[dict[str, Any]]]:
    """The transcripts of a run without a crash."""
    scenario = TreeScenario()
    await scenario.play(crashing_world)
    assert crashing_world.schedule.appends == APPENDS, "every append is tested below"
    expected = await transcripts(crashing_world)
    bottom = max(expected, key=len)
    assert len(expected) == 3
    assert results(await crashing_world.events(bottom)) == [("ok", "ray: a word"), ("ok", "hi, signed bob")]
    assert results(await crashing_world.events()) == [("ok", "managed")]
    for conversation_id in expected:
        assert ends(await crashing_world.events(conversation_id)) == [("completed", None)]
    for conversation in tuple(crashing_world.doors.live.values()):
        await crashing_world.crash(conversation)
    await crashing_world.store.registry.delete("c")
    crashing_world.schedule.appends = 0
    return expected


@pytest.mark.parametrize("victims", ["one", "all"])
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("append", range(1, APPENDS + 1))
async def test_killed_at_any_append_of_any_member(
    crashing_world: CrashingWorld,
    without_crash: dict[str, list[dict[str, Any]]],
    append: int,
    moment: Moment,
    victims: Victims,
) -> None:
    scenario = TreeScenario()
    crashing_world.victims = victims
    crashing_world.schedule.moments = {append: moment}

    await scenario.play(crashing_world)

    assert await transcripts(crashing_world) == without_crash
    assert len(set(scenario.executed)) == 2, "a repeated call keeps its id"


@pytest.mark.parametrize("append", range(1, APPENDS + 1))
async def test_what_the_root_restricts_holds_after_a_crash_at_any_append(
    crashing_world: CrashingWorld, append: int
) -> None:
    scenario = TreeScenario(gated_by_root=True)
    crashing_world.victims = "all"
    crashing_world.schedule.moments = {append: "after"}

    await scenario.play(crashing_world)

    bottom = max(await transcripts(crashing_world), key=len)
    events = await crashing_world.events(bottom)
    assert results(events) == [("ok", "ray: a word"), ("ok", "hi, signed bob")]
    assert [type(event) for event in events].count(Suspension) == 1
    assert results(await crashing_world.events()) == [("ok", "managed")]


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_all_conversations_die_at_every_second_append(
    crashing_world: CrashingWorld, without_crash: dict[str, list[dict[str, Any]]], moment: Moment
) -> None:
    scenario = TreeScenario()
    crashing_world.victims = "all"
    crashing_world.schedule.moments = dict.fromkeys(range(2, 100, 2), moment)
    await scenario.play(crashing_world)
    assert await transcripts(crashing_world) == without_crash


async def test_a_cancel_is_finished_wherever_the_tree_is_killed(crashing_world: CrashingWorld) -> None:
    """From the cancel on, every append ends all conversations; when they are started again, each turn ends."""
    scenario = TreeScenario()
    root = await crashing_world.start(scenario.root)
    await root.send(UserMessage(content=text("go"), client_id="go", principal="ada"))
    await wait_for_state(crashing_world, "awaiting_input")
    crashing_world.victims = "all"
    crashing_world.schedule.moments = dict.fromkeys(range(crashing_world.schedule.appends + 1, 100), "after")
    with suppress(Refused):  # as in `play`
        await crashing_world.doors.cancel("c", "ada")
    for conversation_id in await transcripts(crashing_world):
        await wait_for_cancelled(crashing_world, conversation_id)
    assert scenario.executed != []


async def wait_for_cancelled(world: World, conversation_id: str) -> None:
    """Wait until the only turn is cancelled; the conversation is started again as often as it dies."""

    async def is_cancelled() -> bool:
        await world.doors.reach(conversation_id)
        return ends(await world.events(conversation_id)) == [("cancelled", "user_cancelled")]

    async with asyncio.timeout(20):
        while not await is_cancelled():  # noqa: ASYNC110 - the log has no event to wait for
            await asyncio.sleep(0.005)


async def test_concurrent_tasks_end_once_each_wherever_the_tree_is_killed(crashing_world: CrashingWorld) -> None:
    """Their appends come in any order, so each run kills at another place and only the end is compared."""
    scholars = [scholar(Step(f"answer {name}"), name=name) for name in "ab"]
    root = boss(*scholars, calls=[task("a", "go"), task("b", "go")])
    crashing_world.victims = "all"
    for number in range(1, 12):
        conversation_id = f"tree{number}"
        await crashing_world.start(root, conversation_id)
        crashing_world.schedule.moments = {crashing_world.schedule.appends + number: "after"}
        message = UserMessage(content=text("go"), client_id="go", principal="ada")
        await crashing_world.doors.send(conversation_id, message, AgentContext(principal="ada"))
        await wait_for_state(crashing_world, "idle", conversation_id)
        assert sorted(results(await crashing_world.events(conversation_id))) == [("ok", "answer a"), ("ok", "answer b")]
        assert ends(await crashing_world.events(conversation_id)) == [("completed", None)]
        for child in await crashing_world.store.registry.children(conversation_id):
            assert ends(await crashing_world.events(child.id)) == [("completed", None)]
            assert len(await crashing_world.events(child.id)) == 3

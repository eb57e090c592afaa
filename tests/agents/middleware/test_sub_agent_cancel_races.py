"""A parent is cancelled while its sub-agent is about to make a call: after the acknowledgement none begins."""

import asyncio

from agents.agent import Agent
from agents.conversation import Conversation
from agents.models import Call, ScriptedModel, Step
from agents.models.protocol import ModelRequest
from agents.models.scripted.message_history import tool_returns
from agents.turn.events import ToolCall
from tests.support.conversation_workbench import Bench
from tests.support.conversations import World, ends, rest, say, until
from tests.support.loop_turns import LoopTurns, counted_turns
from tests.support.sub_agent_world import boss, task

RACES = 120
MOMENTS = 12
"""In so many steps the cancel moves from the parent's message to the beginning of the sub-agent's call, and beyond."""


class Caller:
    """A sub-agent that is asked, then calls its tool: both are noted."""

    def __init__(self) -> None:
        self.bench = Bench()
        self.asked = 0

        def step(request: ModelRequest) -> Step:
            self.asked += 1
            return Step("worked") if tool_returns(request.messages) else Step(calls=[Call("work")])

        self.agent = Agent(name="caller", model=ScriptedModel(step), tools=(self.bench.tool,))

    @property
    def begun(self) -> tuple[int, int]:
        """How many calls of the model and of the tool have begun."""
        return self.asked, len(self.bench.runs)


async def test_no_call_begins_in_a_sub_agent_after_the_stop_of_its_parent_is_acknowledged(world: World) -> None:
    caller, reached, begun_lately = Caller(), set[str](), True
    agent = boss(caller.agent, calls=[task("caller", "work")])
    async with counted_turns() as turns:
        whole = await measure(world, agent, caller, turns)
        for number in range(RACES):
            if number % MOMENTS == 0:
                whole, begun_lately = whole if begun_lately else 2 * whole, False  # it was measured in a quicker moment
            parent = await world.start(agent, f"race{number}")
            before = caller.begun
            await say(parent)
            await pass_turns(turns, whole * (number % MOMENTS) // (MOMENTS - 2))
            await parent.cancel("ada")
            acknowledged = caller.begun

            assert await rest(parent) == "idle"
            reached.add(await until_child_is_at_rest(world, parent))
            assert caller.begun == acknowledged, f"race {number}: a call has begun after the acknowledgement"
            assert caller.bench.cancelled == len(caller.bench.runs)
            assert ends(await world.events(parent.id)) == [("cancelled", "user_cancelled")]
            has_begun = acknowledged[1] > before[1]
            begun_lately = begun_lately or has_begun
            reached.add("call begun" if has_begun else "no call begun")
    assert reached >= {"no call begun", "call begun"}, "the cancel came before, and after, the beginning of the call"


async def measure(world: World, agent: Agent, caller: Caller, turns: LoopTurns) -> int:
    """How many turns of the loop it takes from the parent's message to the sub-agent's call."""
    parent = await world.start(agent, "measured")
    began = turns.count
    await say(parent)
    while not caller.bench.runs:  # noqa: ASYNC110 - turn by turn
        await asyncio.sleep(0)
    passed = turns.count - began
    await parent.cancel("ada")
    await until(lambda: caller.bench.cancelled == 1)
    return passed


async def pass_turns(turns: LoopTurns, count: int) -> None:
    last = turns.count + count
    while turns.count < last:  # noqa: ASYNC110 - turn by turn
        await asyncio.sleep(0)


async def until_child_is_at_rest(world: World, parent: Conversation) -> str:
    """Wait until nothing is on its way to the parent's sub-agent, and it works no more; how far it had come."""
    children = await world.store.registry.children(parent.id)
    if not children:
        return "no sub-agent"
    child = await world.doors.reach(children[0].id)
    await until(lambda: not world.doors._delivering)  # a task that the parent has sent arrives though it is cancelled
    await child.rest()
    events = await world.events(child.id)
    return "call logged" if any(isinstance(event, ToolCall) for event in events) else "no call logged"

"""The time line of a turn, as the log has it: its parts, how long they took, who wrote them, sub-agents' within."""

import pytest

from agents.agent import Agent
from agents.clock import now_ms
from agents.conversation import Conversation
from agents.middleware.sub_agent import SubAgent
from agents.models import Call, ScriptedModel, Step
from agents.timeline import Timeline
from agents.tools import tool
from agents.turn.events import AssistantMsg, Logged, ToolCall, ToolResult, TurnEnded, UserMsg
from agents.turn.inputs import Resolve
from agents.turn_reader import newest_turn, read_timeline
from deployments.cli.commands.trace import render
from tests.support.conversations import World, rest, say


async def told(world: World, turn: int | None = None) -> Timeline:
    timeline = await read_timeline(world.store, await world.store.registry.get("c"), turn)
    assert timeline is not None
    return timeline


@tool(approval="required")
async def gated() -> str:
    """Look around, if you may."""
    return "ok"


def helper(*steps: Step) -> Agent:
    return Agent(name="helper", model=ScriptedModel(steps), tools=(gated,))


async def test_parts_begin_and_end_as_the_log_says(world: World) -> None:
    conversation = await world.start(helper(Step(calls=[Call("gated")]), Step("done")))
    await say(conversation)
    await rest(conversation)
    asked = await told(world)
    assert [(part.kind, part.status, part.ended_at is None) for part in asked.parts] == [
        ("message", "accepted", False),
        ("model_call", "completed", False),
        ("tool_call", "under way", True),
        ("question", "approval, open", True),
    ]
    await world.crash(conversation)
    conversation = await world.open(helper(Step(calls=[Call("gated")]), Step("done")))
    [key] = conversation.inspect().pending
    await conversation.resolve(Resolve(tool_call_id=key, decision="approve", principal="eve"))
    await rest(conversation)

    log = [entry for entry in await world.log() if entry.event.turn == 1]
    at = {entry.seq: entry.at for entry in log}
    user, first, call, question, resolution, result, second, end = sorted(at)
    timeline = await told(world, 1)
    assert [(part.kind, part.began_at, part.ended_at, part.incarnation) for part in timeline.parts] == [
        ("message", at[user], at[user], 1),
        ("model_call", at[user], at[first], 1),
        ("tool_call", at[call], at[result], 1),
        ("question", at[question], at[resolution], 1),
        ("model_call", at[result], at[second], 2),
        ("end", at[end], at[end], 2),
    ]
    [tool_call] = [part for part in timeline.parts if part.kind == "tool_call"]
    [asking] = [part for part in timeline.parts if part.kind == "question"]
    assert (asking.within, asking.status, asking.by) == (tool_call.tool_call_id, "approve", "eve")
    assert tool_call.waited_ms == at[resolution] - at[question]
    body = timeline.body(now_ms())
    answers = [entry.event for entry in log if isinstance(entry.event, AssistantMsg)]
    assert body["usage"]["input_tokens"] == sum(answer.usage["input_tokens"] for answer in answers)
    assert (body["status"], body["incarnations"], body["ended_at"]) == ("completed", 2, at[end])


async def test_a_sub_agents_turn_stands_within_its_call(world: World) -> None:
    scout = Agent(name="scout", model=ScriptedModel([Step("found it")]))
    call = Call("task", {"agent": "scout", "prompt": "look"})
    model = ScriptedModel([Step(calls=[call]), Step("done")])
    conversation = await world.start(Agent(name="helper", model=model, middleware=(SubAgent([scout], general=False),)))
    await say(conversation)
    await rest(conversation)
    body = (await told(world)).body(now_ms())
    [task] = [part for part in body["parts"] if part["kind"] == "tool_call"]
    assert (task["turn"]["agent"], task["turn"]["status"]) == ("helper/scout", "completed")
    assert [part["kind"] for part in task["turn"]["parts"]] == ["message", "model_call", "end"]
    lines = [line.plain for line in render(body)]
    assert lines[0].startswith("Turn 1 of c (helper), ")
    [place] = [number for number, line in enumerate(lines) if "tool task" in line]
    assert lines[place + 1].strip().startswith("helper/scout, turn 1 of c.")
    assert lines[place + 2].index("message") > lines[place].index("tool")


async def test_each_turn_of_a_long_log_is_found(world: World) -> None:
    conversation = await world.start(helper(*[Step(f"answer {number}") for number in range(60)]))
    for _ in range(60):
        await say(conversation)
        await rest(conversation)
    assert await newest_turn(world.store, "c") == 60
    for turn in (1, 2, 29, 30, 59, 60):
        timeline = await told(world, turn)
        assert [part.kind for part in timeline.parts] == ["message", "model_call", "end"]
        expected = [entry.seq for entry in await world.log() if entry.event.turn == turn]
        assert timeline.parts[0].seq == expected[0]
    assert await read_timeline(world.store, await world.store.registry.get("c"), 61) is None


async def test_a_message_that_waits_stands_in_its_own_turn(world: World) -> None:
    conversation = await world.start(helper(Step(calls=[Call("gated")]), Step("one"), Step("two")))
    await say(conversation)
    await rest(conversation)
    await say(conversation, "next", on_busy="queue")
    assert (await told(world)).turn == 1, "the second has not begun"
    await _approve(conversation)
    await rest(conversation)
    assert [part.kind for part in (await told(world, 2)).parts] == ["message", "model_call", "end"]
    assert (await told(world, 1)).parts[-1].kind == "end"


async def test_a_conversation_without_a_turn_has_none(world: World) -> None:
    await world.start(helper(Step("x")))
    assert await read_timeline(world.store, await world.store.registry.get("c"), None) is None


async def _approve(conversation: Conversation) -> None:
    [key] = conversation.inspect().pending
    await conversation.resolve(Resolve(tool_call_id=key, decision="approve", principal="ada"))


@pytest.mark.parametrize(("ms", "said"), [(0, "+0.000 s"), (12_345, "+12.3 s"), (64_000, "+1 min 04 s")])
def test_times_are_said_as_people_say_them(ms: int, said: str) -> None:
    timeline = Timeline("c", "helper", 1)
    timeline.add(Logged(1, 1_000, UserMsg(turn=1, content=[])), 7)
    timeline.add(
        Logged(2, 1_000 + ms, ToolCall(turn=1, tool_call_id="t", step=1, name="a\x1b[2Jtool", arguments={})), 7
    )
    timeline.add(Logged(3, 1_000 + ms, ToolResult(turn=1, tool_call_id="t", content="x", status="error")), 7)
    timeline.add(Logged(4, 1_000 + ms, TurnEnded(turn=1, outcome="completed")), 7)
    lines = [line.plain for line in render(timeline.body(0))]
    assert lines[2].strip().startswith(said)
    assert "\x1b" not in lines[2]


def test_what_runs_is_told_of_a_live_turn() -> None:
    timeline = Timeline("c", "helper", 1)
    timeline.add(Logged(1, 1_000, UserMsg(turn=1, content=[])), None)
    timeline.add_under_way({"kind": "model", "name": "claude"})
    body = timeline.body(3_000)
    assert [(part["kind"], part["began_at"], part["ended_at"]) for part in body["parts"]][1] == (
        "model_call",
        1_000,
        None,
    )
    assert "2.000 s…" in [line.plain for line in render(body)][2]
    assert (body["status"], body["incarnations"]) == ("unfinished", None)

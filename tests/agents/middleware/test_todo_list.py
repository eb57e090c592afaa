"""TodoList: the plan is logged, broadcast and kept through crashes, and the model is reminded until it is done."""

from typing import Any

import pytest

from agents.agent import Agent
from agents.middleware.todo_list import TEACHING, TodoList
from agents.models import Call, Step
from agents.turn import fold
from agents.turn.events import AssistantMsg, StatePatch, ToolCall, ToolResult, TurnEnded, UserMsg
from tests.support.conversations import World, rest, results, say, text, until, watching
from tests.support.recorder import Recorder

PLAN = [{"text": "Read", "status": "completed"}, {"text": "Write", "status": "in_progress"}]
DONE = [{**todo, "status": "completed"} for todo in PLAN]
REMINDER = "Your plan as it stands ([x] completed, [>] in progress):\n[x] Read\n[>] Write"


def write(todos: Any) -> Step:
    return Step(calls=[Call("write_todos", {"todos": todos})])


def planner(recorder: Recorder) -> Agent:
    return Agent(name="planner", model=recorder.model, system_prompt="Plan.", middleware=[TodoList()])


async def plan_of(world: World) -> Any:
    return fold(await world.log()).state.get("TodoList", {}).get("todos")


async def test_a_plan_is_logged_with_the_result_and_broadcast(world: World) -> None:
    recorder = Recorder(write(PLAN), Step("Planned."))
    conversation = await world.start(planner(recorder))
    async with watching(world.store) as watcher:
        await say(conversation)
        await watcher.until("turn_completed")
    assert [event for event in watcher.seen if event["type"] == "todos_updated"] == [
        {"type": "todos_updated", "conversation_id": "c", "turn": 1, "todos": PLAN}
    ]
    events = await world.events()
    kinds = [type(event) for event in events]
    assert kinds == [UserMsg, AssistantMsg, ToolCall, StatePatch, ToolResult, AssistantMsg, TurnEnded]
    assert events[3] == StatePatch(turn=1, principal="ada", source="TodoList", patch={"todos": PLAN})
    assert results(events) == [("ok", "The plan is written down: 1 of 2 done.")]


async def test_the_model_gets_instructions_and_a_reminder(world: World) -> None:
    recorder = Recorder(write(PLAN), Step("Planned."))
    conversation = await world.start(planner(recorder))
    await say(conversation)
    await rest(conversation)
    first, second = recorder.requests
    assert first.system == second.system == f"Plan.\n\n{TEACHING}"
    assert [tool["name"] for tool in first.tools] == ["write_todos"]
    assert first.messages == [{"role": "user", "content": text("hello")}]
    [call] = [event for event in await world.events() if isinstance(event, ToolCall)]
    assert second.messages == [
        {"role": "user", "content": text("hello")},
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": call.tool_call_id, "name": "write_todos", "input": {"todos": PLAN}}],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": call.tool_call_id,
                    "content": "The plan is written down: 1 of 2 done.",
                },
                *text(REMINDER),
            ],
        },
    ]
    assert second.stable == 2, "the reminder comes after the cached messages"


@pytest.mark.parametrize("finished", [DONE, []])
async def test_there_is_no_reminder_of_a_finished_plan(world: World, finished: Any) -> None:
    recorder = Recorder(write(PLAN), write(finished), Step("Done."))
    conversation = await world.start(planner(recorder))
    await say(conversation)
    await rest(conversation)
    assert [block["type"] for block in recorder.last] == ["tool_result"]
    assert await plan_of(world) == finished


@pytest.mark.parametrize(
    ("todos", "problem"),
    [
        (
            [{"text": "a", "status": "in_progress"}] * 2,
            "Only one todo may be in progress, not 2; the plan is as it was.",
        ),
        ([{"text": "a", "status": "done"}], "'pending', 'in_progress' or 'completed'"),
        ([{"text": "", "status": "pending"}], "at least 1 character"),
        ([{"text": "x" * 501, "status": "pending"}], "at most 500 characters"),
        ([{"text": "a", "status": "pending"}] * 51, "at most 50 items"),
        ([{"text": "a"}], "todos.0.status"),
        ("a plan", "todos: Input should be a valid list"),
    ],
)
async def test_an_invalid_plan_changes_nothing(world: World, todos: Any, problem: str) -> None:
    conversation = await world.start(planner(Recorder(write(PLAN), write(todos), Step("Well."))))
    await say(conversation)
    await rest(conversation)
    _, (status, content) = results(await world.events())
    assert status == "error"
    assert problem in content
    assert await plan_of(world) == PLAN


async def test_a_plan_outlives_a_crash_and_the_turn(world: World) -> None:
    recorder = Recorder(write(PLAN), Step("thinking", hangs="after"))
    agent = planner(recorder)
    conversation = await world.start(agent)
    await say(conversation)
    await until(lambda: len(recorder.requests) == 2)
    await world.crash(conversation)
    again = Recorder(write(PLAN), Step("Planned."), Step("As I said."))
    conversation = await world.open(planner(again))
    await rest(conversation)
    assert again.requests == recorder.requests[1:]
    await say(conversation, "and now?")
    await rest(conversation)
    assert again.last == [*text("and now?"), *text(REMINDER)]
    assert await plan_of(world) == PLAN

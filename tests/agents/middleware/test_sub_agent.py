"""SubAgent: a task is a conversation of its own, and only its final answer comes back."""

import asyncio
from dataclasses import replace

import pytest
from pydantic import BaseModel

from agents.agent import Agent, Catalog
from agents.errors import AgentDefinitionError, ModelError, UnknownAgent
from agents.middleware.budget import Budget
from agents.middleware.sub_agent import SubAgent
from agents.middleware.sub_agent.sub_agent_call import child_id, title_from
from agents.models import Call, ModelRequest, ScriptedModel, Step
from agents.tools import tool
from agents.turn.events import AssistantMsg, UserMsg
from store import Placement
from tests.support.conversation_workbench import Bench
from tests.support.conversations import World, ends, rest, results, say, spoken, until, watching
from tests.support.sub_agent_world import boss, calls_of, child_of, scholar, task


@tool
async def look_up(word: str) -> str:
    """Look a word up."""
    return f"{word}: a word"


async def test_only_the_final_answer_comes_back(world: World) -> None:
    researcher = scholar(Step("I look.", calls=[Call("look_up", {"word": "ray"})]), Step("A beam."), tools=(look_up,))
    parent = await world.start(boss(researcher, calls=[task("scholar", "What is a ray?")]))
    await say(parent, "find out")
    assert await rest(parent) == "idle"

    assert results(await world.events()) == [("ok", "A beam.")]
    assert spoken(await world.events())[-1] == ("A beam.", "completed")


async def test_the_child_is_a_conversation_of_its_own_below_the_call(world: World) -> None:
    parent = await world.start(boss(scholar(Step("A beam.")), calls=[task("scholar", "What is\n a ray?")]))
    await say(parent, "find out")
    await rest(parent)

    [call] = await calls_of(world)
    child = await child_of(world)
    assert child.id == f"c.{call.tool_call_id}"
    assert (child.agent, child.principal, child.channel, child.title) == (
        "boss/scholar",
        "ada",
        "api",
        "What is a ray?",
    )
    assert child.placement is None, "the placement is its agent's"
    assert (child.parent, child.parent_call, child.root, child.depth) == ("c", call.tool_call_id, "c", 1)
    [at] = [entry.seq for entry in await world.log() if entry.event == call]
    assert child.parent_seq == at
    [message] = [event for event in await world.events(child.id) if isinstance(event, UserMsg)]
    assert (message.content, message.client_id, message.origin, message.principal) == (
        [{"type": "text", "text": "What is\n a ray?"}],
        call.tool_call_id,
        "agent",
        "ada",
    )
    assert ends(await world.events(child.id)) == [("completed", None)]


@pytest.mark.parametrize(
    ("placement", "ray", "where"),
    [
        ("auto", None, ("shared", None)),
        ("auto", {"num_cpus": 1}, ("shared", None)),
        ("shared", None, ("shared", None)),
        ("dedicated", {"num_cpus": 1}, ("dedicated", {"num_cpus": 1})),
    ],
)
def test_sub_agents_are_shared_unless_their_definition_says_otherwise(
    placement: Placement, ray: dict[str, int] | None, where: tuple[str, object]
) -> None:
    agents = boss(scholar(Step("A beam."), placement=placement, ray=ray), calls=[])
    found = Catalog({"boss": agents}, default="boss").get("boss/scholar")
    assert (found.placement, found.ray) == where


def test_a_long_id_is_shortened_and_stays_its_own() -> None:
    assert child_id("c", "call_1") == "c.call_1"
    assert child_id("c" * 121, "call_1") == "c" * 121 + ".call_1"
    long, other = child_id("c" * 122, "call_1"), child_id("c" * 122, "call_2")
    assert len(long) == len(other) == 128
    assert long[:88] == "c" * 87 + "."
    assert long != other


def test_a_title_is_the_beginning_of_the_prompt() -> None:
    assert title_from("  Read\n all. ") == "Read all."
    assert title_from("long " * 40) == ("long " * 16).rstrip()[:79].rstrip() + "…"


async def test_watchers_learn_which_conversation_to_open(world: World) -> None:
    parent = await world.start(boss(scholar(Step("A beam.")), calls=[task("scholar", "go")]))
    async with watching(world.store) as watcher:
        await say(parent)
        seen = await watcher.until("turn_completed")
    progress = [event["progress"] for event in seen if event["type"] == "tool_progress"]
    assert progress
    assert {step["conversation"] for step in progress} == {(await child_of(world)).id}
    assert {step["state"] for step in progress} <= {"preparing", "streaming", "idle"}


async def test_tasks_of_one_answer_run_concurrently(world: World) -> None:
    bench = Bench()
    worker = scholar(Step(calls=[Call("work", {"job": "a"})]), Step("worked"), tools=(bench.tool,))
    parent = await world.start(boss(worker, calls=[task("scholar", "one"), task("scholar", "two")]))
    await say(parent)
    await bench.begun(runs=2)
    bench.finish.set()
    assert await rest(parent) == "idle"
    assert results(await world.events()) == [("ok", "worked")] * 2
    assert len(await world.store.registry.children("c")) == 2


class WordFinding(BaseModel):
    word: str
    sure: bool


async def test_a_structured_output_comes_back_as_json(world: World) -> None:
    finder = scholar(Step('{"word": "ray", "sure": true}'), output=WordFinding)
    parent = await world.start(boss(finder, calls=[task("scholar", "go")]))
    await say(parent)
    await rest(parent)
    assert results(await world.events()) == [("ok", '{"word":"ray","sure":true}')]


async def test_without_a_text_the_result_that_ended_the_turn_is_the_answer(world: World) -> None:
    finder = scholar(Step(calls=[Call("look_up", {"word": "ray"})]), tools=(look_up,), until_tool="look_up")
    parent = await world.start(boss(finder, calls=[task("scholar", "go")]))
    await say(parent)
    await rest(parent)
    assert results(await world.events()) == [("ok", "ray: a word")]


async def test_a_sub_agent_that_fails_is_a_tool_error_with_its_reason(world: World) -> None:
    failing = scholar(Step(failure=ModelError("overloaded", "The model is overloaded.")))
    parent = await world.start(boss(failing, calls=[task("scholar", "go")]))
    await say(parent)
    assert await rest(parent) == "idle"
    assert results(await world.events()) == [("error", "The sub-agent scholar failed: The model is overloaded.")]
    assert ends(await world.events()) == [("completed", None)]


async def test_a_sub_agent_that_people_cancel_is_a_tool_error(world: World) -> None:
    bench = Bench()
    worker = scholar(Step(calls=[Call("work")]), tools=(bench.tool,))
    parent = await world.start(boss(worker, calls=[task("scholar", "go")]))
    await say(parent)
    await bench.begun()
    await world.doors.cancel((await child_of(world)).id, "ada")
    assert await rest(parent) == "idle"
    assert results(await world.events()) == [("error", "The sub-agent scholar was cancelled.")]


async def test_an_unknown_name_is_a_tool_error(world: World) -> None:
    parent = await world.start(boss(scholar(Step("hm")), calls=[task("nobody", "go")]))
    await say(parent)
    await rest(parent)
    assert results(await world.events()) == [("error", "There is no agent named nobody. Agents: scholar.")]
    assert await world.store.registry.children("c") == []


async def test_too_many_tasks_in_a_turn_are_tool_errors(world: World) -> None:
    calls = [task("scholar", str(number)) for number in range(4)]
    parent = await world.start(boss(scholar(Step("hm")), calls=calls, max_children=2))
    await say(parent)
    await rest(parent)
    refused = ("error", "Not started: no more than 2 tasks in one turn.")
    assert sorted(results(await world.events())) == sorted([refused, refused, ("ok", "hm"), ("ok", "hm")])
    assert len(await world.store.registry.children("c")) == 2


async def test_the_bound_is_for_the_whole_turn(world: World) -> None:
    steps = [Step(calls=[task("general", "a")]), Step(calls=[task("general", "b")]), Step("done")]

    def delegate(request: ModelRequest) -> Step:
        return ScriptedModel(steps)._choose(request) if "begin" in str(request.messages[0]) else Step("child")

    agent = Agent(name="boss", model=ScriptedModel(delegate), middleware=(SubAgent(max_children=1),))
    parent = await world.start(agent)
    await say(parent, "begin")
    await rest(parent)
    refused = ("error", "Not started: no more than 1 tasks in one turn.")
    assert results(await world.events()) == [("ok", "child"), refused]


async def test_the_general_sub_agent_is_a_copy_and_bounded_in_depth(world: World) -> None:
    offered: list[tuple[int, bool]] = []

    def descend(request: ModelRequest) -> Step:
        said = str(request.messages[0]["content"][0]["text"])
        depth = said.count("deeper")
        offered.append((depth, any(offer["name"] == "task" for offer in request.tools)))
        if request.messages[-1]["content"][0]["type"] == "tool_result":
            return Step(f"{depth}: {request.messages[-1]['content'][0]['content']}")
        return Step(calls=[task("general", f"{said} deeper")])

    parent = await world.start(Agent(name="boss", model=ScriptedModel(descend), middleware=(SubAgent(max_depth=2),)))
    await say(parent, "go")
    assert await rest(parent) == "idle"

    too_deep = "There is no tool named task. Tools: none."
    assert spoken(await world.events())[-1] == (f"0: 1: 2: {too_deep}", "completed")
    assert {(0, True), (1, True), (2, False)} == set(offered)
    child = await child_of(world)
    grandchild = await child_of(world, child.id)
    assert (grandchild.agent, grandchild.depth, grandchild.root) == ("boss/general/general", 2, "c")


async def test_another_conversation_of_that_id_is_left_alone(world: World) -> None:
    agent = boss(scholar(Step("hm")), calls=[task("scholar", "go")])
    parent = await world.start(agent)
    await world.create(agent, "c.toolu_scripted_0_0")
    await say(parent)
    await rest(parent)
    error = "There is another conversation called c.toolu_scripted_0_0."
    assert results(await world.events()) == [("error", error)]
    assert await world.events("c.toolu_scripted_0_0") == []


async def test_a_repeated_call_has_one_child(world: World) -> None:
    bench = Bench()
    worker = scholar(Step(calls=[Call("work")]), Step("worked"), tools=(bench.tool,))
    parent = await world.start(boss(worker, calls=[task("scholar", "go")]))
    await say(parent)
    await bench.begun()
    for _ in range(2):
        await world.crash(parent)
        parent = await world.revive("c")
    bench.finish.set()
    assert await rest(parent) == "idle"
    child = await child_of(world)
    assert len(await world.store.registry.children("c")) == 1
    assert [type(event) for event in await world.events(child.id)].count(UserMsg) == 1
    assert len(bench.runs) == 1


async def test_people_may_go_on_with_a_sub_agent_that_has_finished(world: World) -> None:
    worker = scholar(Step("A beam."), Step("You are welcome."))
    parent = await world.start(boss(worker, calls=[task("scholar", "go")]))
    await say(parent)
    await rest(parent)
    child = await world.doors.reach((await child_of(world)).id)
    await say(child, "thank you")
    assert await rest(child) == "idle"
    assert ends(await world.events(child.id)) == [("completed", None)] * 2


async def test_a_lost_notice_only_delays_the_answer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.middleware.sub_agent.sub_agent_call.EVENTS_TO_READ_AFTER", frozenset({"never told"}))
    monkeypatch.setattr("agents.middleware.sub_agent.sub_agent_call.LOOK_SECONDS", 0.02)
    parent = await world.start(boss(scholar(Step("A beam.")), calls=[task("scholar", "go")]))
    await say(parent)
    await rest(parent)
    assert results(await world.events()) == [("ok", "A beam.")]


def test_the_catalog_knows_sub_agents_by_their_path() -> None:
    writer = scholar(Step("hm"), name="writer")
    editor = Agent(name="editor", model=ScriptedModel([]), middleware=(SubAgent((writer,), general=False),))
    agent = Agent(name="boss", model=ScriptedModel([]), middleware=(SubAgent((editor,)),), until_tool="task")
    catalog = Catalog({"boss": agent}, default="boss")
    assert catalog.get("boss/editor/writer").name == "boss/editor/writer"
    assert catalog.get("boss/editor/writer").model is writer.model
    assert catalog.get("boss/general/general").model is agent.model
    assert catalog.get("boss/general").until_tool is None
    for unknown in ("boss/writer", "boss/editor/general", "editor", "boss/", "/boss", "boss//general"):
        with pytest.raises(UnknownAgent):
            catalog.get(unknown)


def test_the_model_learns_which_agents_there_are() -> None:
    known = scholar(Step("hm"), description="finds out what a word means")
    [offered] = SubAgent((known, scholar(Step("hm"), name="clerk"))).tools()
    assert offered.description.splitlines()[-1] == (
        "Agents: scholar (finds out what a word means); clerk; "
        "general (the same instructions and tools as yours, for work that would fill this conversation)"
    )


@pytest.mark.parametrize(
    ("middleware", "problem"),
    [
        (SubAgent(general=False), "nobody to delegate to"),
        (SubAgent((scholar(name="general"),)), "two of its sub-agents are called general"),
        (SubAgent((scholar(name="a/b"),)), "has no slash"),
        (SubAgent(max_depth=0), "at least 1"),
        (SubAgent(max_children=0), "at least 1"),
    ],
)
def test_mistakes_are_found_when_the_agent_is_defined(middleware: SubAgent, problem: str) -> None:
    with pytest.raises(AgentDefinitionError, match=problem):
        Agent(name="boss", model=ScriptedModel([]), middleware=(middleware,))


async def test_a_task_that_takes_too_long_is_cancelled(world: World) -> None:
    bench = Bench()
    worker = scholar(Step(calls=[Call("work")]), tools=(bench.tool,))
    parent = await world.start(boss(worker, calls=[task("scholar", "go")], timeout=0.2))
    await say(parent)
    assert await rest(parent) == "idle"
    [(status, content)] = results(await world.events())
    assert (status, content) == ("error", "The sub-agent scholar did not finish within 0.2 seconds.")
    child = await world.doors.reach((await child_of(world)).id)
    await until(lambda: bench.cancelled == len(bench.runs))
    assert await asyncio.wait_for(rest(child), 5) == "idle"
    assert [outcome for outcome, _ in ends(await world.events(child.id))] == ["cancelled"]


async def test_what_sub_agents_use_counts_for_the_root(world: World) -> None:
    middle = Agent(
        name="manager",
        model=ScriptedModel([Step(calls=[task("scholar", "go")]), Step("managed")]),
        middleware=(SubAgent((scholar(Step("A beam.")),), general=False),),
    )
    agent = boss(middle, calls=[task("manager", "go")])
    parent = await world.start(replace(agent, middleware=(Budget(conversation_tokens=100_000), *agent.middleware)))
    await say(parent)
    assert await rest(parent) == "idle"
    child = await child_of(world)
    tree = ("c", child.id, (await child_of(world, child.id)).id)
    events = [event for conversation_id in tree for event in await world.events(conversation_id)]
    used = [sum(event.usage.values()) for event in events if isinstance(event, AssistantMsg)]
    assert len(used) == 5
    assert (await world.store.usage.total("conversation:c")).tokens == sum(used)


async def test_a_budget_that_is_used_up_stops_the_sub_agents_too(world: World) -> None:
    agent = boss(scholar(Step("A beam.")), calls=[task("scholar", "go")])
    parent = await world.start(replace(agent, middleware=(Budget(conversation_tokens=10), *agent.middleware)))
    await say(parent)
    assert await rest(parent) == "idle"
    error = "The sub-agent scholar cannot work: The budget of this conversation of 10 tokens is used up."
    assert results(await world.events()) == [("error", error)]
    assert ends(await world.events()) == [("failed", "budget_exhausted")]


def test_a_sub_agent_with_a_budget_of_its_own_has_that_of_its_parent_besides() -> None:
    own, inherited = Budget(conversation_tokens=1), Budget(conversation_tokens=2)
    frugal, plain = scholar(name="frugal", middleware=(own,)), scholar(name="plain")
    agent = Agent(name="boss", model=ScriptedModel([]), middleware=(inherited, SubAgent((frugal, plain))))
    catalog = Catalog({"boss": agent}, default="boss")
    budgets = [
        [member.name for member in catalog.get(f"boss/{name}").each_middleware() if "Budget" in member.name]
        for name in ("frugal", "plain", "general")
    ]
    assert budgets == [["Budget of boss", "Budget"], ["Budget of boss"], ["Budget"]]

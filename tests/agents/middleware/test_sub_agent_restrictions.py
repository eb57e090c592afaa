"""What an agent's middleware restricts holds for its sub-agents too: they may tighten it, never loosen it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from agents.agent import Agent, AgentMiddleware, Catalog
from agents.errors import AgentDefinitionError
from agents.interrupt import Interrupt
from agents.middleware.budget import Budget
from agents.middleware.debug_log import DebugLog
from agents.middleware.human_in_the_loop import HumanInTheLoop
from agents.middleware.model_calls import ModelCalls
from agents.middleware.parallel import Parallel
from agents.middleware.pipeline.exchange import Reply, Request
from agents.middleware.pipeline.middleware import Middleware, ToolRun
from agents.middleware.pipeline.turn_context import TurnContext
from agents.middleware.redaction import Redaction
from agents.middleware.sub_agent import SubAgent
from agents.models import Call, ScriptedModel, Step
from agents.tools import Tool, ToolOutcome, tool
from agents.turn.commands import RunTool
from agents.turn.events import AssistantMsg, Decision, StatePatch, Suspension, TurnEnded
from agents.turn.inputs import Resolve
from tests.support.conversations import World, ends, rest, results, say, spoken, watching
from tests.support.sub_agent_world import boss, child_of, manager, scholar, task, wait_for_question

KEY = "sk-ant-0123456789abcdefghij"


class Drops:
    """A tool without any approval of its own, and what it has dropped."""

    def __init__(self) -> None:
        self.done: list[str] = []

        @tool
        async def drop(table: str) -> str:
            """Drop a table."""
            self.done.append(table)
            return f"dropped {table}"

        self.tool: Tool = drop

    def clerk(self, *tables: str, middleware: Sequence[AgentMiddleware] = ()) -> Agent:
        """An agent that drops these tables at once."""
        calls = [Call("drop", {"table": table}) for table in tables]
        steps = [Step(calls=calls), Step("done")]
        return Agent(name="clerk", model=ScriptedModel(steps), tools=(self.tool,), middleware=middleware)


class Guard(Middleware):
    """Refuses to run a tool."""

    inherited = True

    def __init__(self, forbidden: str) -> None:
        self._forbidden = forbidden

    async def run_tool(self, command: RunTool, run: ToolRun, context: TurnContext) -> ToolOutcome:
        if command.call.name == self._forbidden:
            return ToolOutcome(f"{self._forbidden} is forbidden.", "error")
        return await run(command)


class Lax(Middleware):
    """Lets every call run, whatever middleware before it has required."""

    async def after_model(self, reply: Reply, context: TurnContext) -> Reply:
        return replace(reply, calls=[replace(call, approval="auto", refusal=None) for call in reply.calls])


class Consent(Middleware):
    """Asks people once in each conversation, before its first call of the model."""

    inherited = True

    async def before_model(self, request: Request, context: TurnContext) -> Request:
        if not context.state.get("given"):
            if not context.answered_interrupts:
                raise Interrupt("May I?", decisions=("approve", "reject"))
            context.patch(given=True)
        return request


class Motto(Middleware):
    """Restricts nothing."""

    async def system_prompt(self, context: TurnContext) -> str:
        return "Be quick."


def restricted(agent: Agent, *middleware: AgentMiddleware) -> Agent:
    return replace(agent, middleware=(*middleware, *agent.middleware))


def members(catalog_of: Agent, name: str) -> list[str]:
    catalog = Catalog([catalog_of])
    return [member.name for member in catalog.get(name).each_middleware()]


async def answer_gate(world: World, agent: Agent, decision: Decision, **fields: Any) -> dict[str, Any]:
    """Run the agent until it asks, answer, and wait for the end; returns what was asked."""
    parent = await world.start(agent)
    await say(parent)
    tool_call_id, shown = await wait_for_question(parent)
    await parent.resolve(Resolve(tool_call_id=tool_call_id, decision=decision, principal="bob", **fields))
    assert await rest(parent) == "idle"
    return shown


@pytest.mark.parametrize(
    ("decision", "dropped", "result"),
    [("approve", ["users"], ("ok", "dropped users")), ("reject", [], ("denied", "Denied by the user"))],
)
async def test_a_tool_of_a_named_sub_agent_waits_at_the_parents_gate(
    world: World, decision: Decision, dropped: list[str], result: tuple[str, str]
) -> None:
    drops = Drops()
    agent = restricted(boss(drops.clerk("users"), calls=[task("clerk", "go")]), HumanInTheLoop({"drop": True}))
    shown = await answer_gate(world, agent, decision)
    assert (shown["kind"], shown["prompt"]) == ("approval", "clerk asks: Drop a table.")
    assert shown["form"]["call"]["arguments"] == {"table": "users"}
    assert drops.done == dropped
    [(status, content)] = results(await world.events((await child_of(world)).id))
    assert (status, content.rstrip(".")) == result


async def test_the_gate_holds_two_levels_below(world: World) -> None:
    drops = Drops()
    middle = manager(drops.clerk("users"), calls=[task("clerk", "go")])
    agent = restricted(boss(middle, calls=[task("manager", "go")]), HumanInTheLoop({"drop": ["approve"]}))
    shown = await answer_gate(world, agent, "approve")
    assert shown["decisions"] == ["approve"]
    assert shown["form"]["call"]["agent"] == "clerk"
    grandchild = await child_of(world, (await child_of(world)).id)
    assert [type(event) for event in await world.events(grandchild.id)].count(Suspension) == 1
    assert drops.done == ["users"]


async def test_both_gates_hold(world: World) -> None:
    drops = Drops()
    own = HumanInTheLoop({"drop": ["approve", "edit"]})
    agent = boss(drops.clerk("users", middleware=(own,)), calls=[task("clerk", "go")])
    shown = await answer_gate(world, restricted(agent, HumanInTheLoop({"drop": ["approve", "reject"]})), "approve")
    assert shown["decisions"] == ["approve"]
    assert drops.done == ["users"]


async def test_a_gate_of_the_sub_agent_alone_stays(world: World) -> None:
    drops = Drops()
    clerk = drops.clerk("users", middleware=(HumanInTheLoop({"drop": ["approve"]}),))
    agent = restricted(boss(clerk, calls=[task("clerk", "go")]), HumanInTheLoop({"task": False}))
    assert (await answer_gate(world, agent, "approve"))["decisions"] == ["approve"]


async def test_gates_without_a_common_decision_let_nothing_run(world: World) -> None:
    drops = Drops()
    own = HumanInTheLoop({"drop": ["approve"]})
    agent = boss(drops.clerk("users", middleware=(own,)), calls=[task("clerk", "go")])
    parent = await world.start(restricted(agent, HumanInTheLoop({"drop": ["reject"]})))
    await say(parent)
    assert await rest(parent) == "idle"
    refused = ("error", "drop needs an approval, but its definition allows no decision about it.")
    assert results(await world.events((await child_of(world)).id)) == [refused]
    assert drops.done == []


async def test_middleware_of_the_sub_agent_cannot_lower_the_gate(world: World) -> None:
    drops = Drops()
    agent = boss(drops.clerk("users", middleware=(Lax(),)), calls=[task("clerk", "go")])
    await answer_gate(world, restricted(agent, HumanInTheLoop({"drop": True})), "reject")
    assert drops.done == []


async def test_the_same_gate_in_both_lists_is_outermost(world: World) -> None:
    drops, gate = Drops(), HumanInTheLoop({"drop": True})
    agent = boss(drops.clerk("users", middleware=(Lax(), gate)), calls=[task("clerk", "go")])
    await answer_gate(world, restricted(agent, gate), "reject")
    assert drops.done == []


def test_a_gate_may_name_a_tool_that_only_a_sub_agent_has() -> None:
    drops = Drops()
    middle = manager(drops.clerk("users"), calls=[])
    assert restricted(boss(middle, calls=[]), HumanInTheLoop({"drop": True})).tool("drop") is None
    with pytest.raises(AgentDefinitionError, match="cannot gate burn: there is no such tool"):
        restricted(boss(middle, calls=[]), HumanInTheLoop({"burn": True}))


async def test_secrets_are_redacted_in_the_sub_agents_log_and_events(world: World) -> None:
    parent = await world.start(
        restricted(boss(scholar(Step(f"It is {KEY}.")), calls=[task("scholar", "go")]), Redaction())
    )
    await say(parent)
    assert await rest(parent) == "idle"
    child = await child_of(world)
    assert spoken(await world.events(child.id)) == [("It is [API key].", "completed")]
    assert results(await world.events()) == [("ok", "It is [API key].")]


async def test_secrets_are_redacted_in_what_watchers_of_a_sub_agent_see(world: World) -> None:
    teller = scholar(Step("Ready."), Step(f"It is {KEY}."))
    parent = await world.start(restricted(boss(teller, calls=[task("scholar", "go")]), Redaction()))
    await say(parent)
    await rest(parent)
    meta = await child_of(world)
    child = await world.doors.reach(meta.id)
    async with watching(world.store, meta.id) as watcher:
        await say(child, "tell me")
        seen = await watcher.until("turn_completed")
    said = "".join(event["text"] for event in seen if event["type"] == "text_delta")
    assert said == "It is [API key]."
    assert KEY not in str(seen)


@pytest.mark.parametrize("grouped", [False, True])
async def test_a_guard_refuses_in_a_sub_agent(world: World, grouped: bool) -> None:
    drops, guard = Drops(), Guard("drop")
    middle = manager(drops.clerk("users"), calls=[task("clerk", "go")])
    agent = restricted(boss(middle, calls=[task("manager", "go")]), Parallel(guard) if grouped else guard)
    parent = await world.start(agent)
    await say(parent)
    assert await rest(parent) == "idle"
    grandchild = await child_of(world, (await child_of(world)).id)
    assert results(await world.events(grandchild.id)) == [("error", "drop is forbidden.")]
    assert drops.done == []


async def test_a_question_of_inherited_middleware_is_asked_at_the_parent(world: World) -> None:
    agent = restricted(boss(scholar(Step("A beam.")), calls=[task("scholar", "go")]), Consent())
    parent = await world.start(agent)
    await say(parent)
    for prompt in ("May I?", "scholar asks: May I?"):
        tool_call_id, shown = await wait_for_question(parent)
        assert (shown["prompt"], shown["decisions"]) == (prompt, ["approve", "reject"])
        await parent.resolve(Resolve(tool_call_id=tool_call_id, decision="approve", principal="ada"))
    assert await rest(parent) == "idle"
    events = await world.events((await child_of(world)).id)
    patches = [(event.source, event.patch) for event in events if isinstance(event, StatePatch)]
    assert patches == [("Consent of boss", {"given": True})]


async def test_the_debug_log_of_the_parent_logs_the_sub_agents_work(world: World) -> None:
    drops = Drops()
    with capture_logs() as lines:
        parent = await world.start(restricted(boss(drops.clerk("users"), calls=[task("clerk", "go")]), DebugLog()))
        await say(parent)
        assert await rest(parent) == "idle"
    below = [line for line in lines if line.get("agent") == "boss/clerk"]
    assert [line["tool"] for line in below if line["event"] == "debug_tool"] == ["drop"]
    assert [line["event"] for line in below].count("debug_reply") == 2


BELOW, ABOVE = 1_000, 1_000_000
"""Limits in tokens: less than one answer of the spendthrift, though more than those of its boss; and enough for all."""


@pytest.mark.parametrize("kind", ["conversation_tokens", "person_tokens_a_day"])
@pytest.mark.parametrize(
    ("own", "inherited", "end_of_parent"),
    [
        (None, BELOW, ("failed", "budget_exhausted")),
        (ABOVE, BELOW, ("failed", "budget_exhausted")),
        (BELOW, ABOVE, ("completed", None)),
    ],
)
async def test_the_stricter_of_two_budgets_stops_the_sub_agent(
    world: World, kind: str, own: int | None, inherited: int, end_of_parent: tuple[str, str | None]
) -> None:
    drops = Drops()
    steps = [Step(8 * "word " * BELOW, calls=[Call("drop", {"table": "users"})]), Step("done")]
    budgets = () if own is None else (Budget(**{kind: own}),)
    spendthrift = scholar(*steps, tools=(drops.tool,), middleware=budgets)
    agent = restricted(boss(spendthrift, calls=[task("scholar", "go")]), Budget(**{kind: inherited}))
    parent = await world.start(agent)
    await say(parent)
    assert await rest(parent) == "idle"

    child = await child_of(world)
    assert drops.done == ["users"], "it could answer once"
    assert ends(await world.events(child.id)) == [("failed", "budget_exhausted")]
    [(status, content)] = results(await world.events())
    assert (status, content.endswith(f" of {BELOW:,} tokens is used up.")) == ("error", True)
    assert ends(await world.events()) == [end_of_parent]
    events = [*await world.events(), *await world.events(child.id)]
    used = [sum(event.usage.values()) for event in events if isinstance(event, AssistantMsg)]
    assert (await world.store.usage.total("conversation:c")).tokens == sum(used), "each answer counts once"


def test_what_restricts_is_inherited_and_nothing_else() -> None:
    """Below a copy of the agent the middleware is there already; what is inherited is outside of the agent's own."""
    below = manager(scholar(middleware=(Guard("drop"), Motto())), calls=[])
    agent = replace(boss(below, calls=[], general=True), middleware=())
    agent = replace(
        agent,
        middleware=(
            Guard("drop"),
            Motto(),
            Parallel(Budget()),
            Redaction(),
            DebugLog(),
            HumanInTheLoop({}),
            SubAgent((below,)),
            ModelCalls(),
        ),
    )
    names = ("Guard", "Budget", "Redaction", "DebugLog", "HumanInTheLoop")
    inherited = [f"{name} of boss" for name in names]
    assert members(agent, "boss/manager") == [*inherited, "OrphanGuard", "SubAgent"]
    assert members(agent, "boss/manager/scholar") == [*inherited, "OrphanGuard", "Guard", "Motto"]
    own = [member.name for member in agent.each_middleware()]
    assert members(agent, "boss/general") == members(agent, "boss/general/general") == ["OrphanGuard", *own]
    again = [f"{name} of boss/general" for name in names]
    assert members(agent, "boss/general/manager") == [*again, "OrphanGuard", "SubAgent"]


def test_a_general_sub_agent_of_a_sub_agent_has_what_that_one_inherits() -> None:
    agent = restricted(boss(replace(boss(general=True, calls=[]), name="middle"), calls=[]), Guard("drop"))
    assert members(agent, "boss/middle") == ["Guard of boss", "OrphanGuard", "SubAgent"]
    assert members(agent, "boss/middle/general") == ["OrphanGuard", "Guard of boss", "SubAgent"]


class Hires(Middleware):
    """Delegates by itself, to an agent that it makes out of the one above."""

    def __init__(self, **changes: Any) -> None:
        self._changes = changes

    def delegate(self, agent: Agent, name: str) -> Agent | None:
        return replace(agent, name=f"{agent.name}/{name}", **self._changes) if name == "hand" else None


def test_middleware_that_delegates_by_itself_cannot_leave_a_restriction_out() -> None:
    freed = Agent(name="boss", model=ScriptedModel([]), middleware=(Guard("drop"), Hires(middleware=(Motto(),))))
    assert members(freed, "boss/hand") == ["Guard of boss", "Motto"]
    copied = Agent(name="boss", model=ScriptedModel([]), middleware=(Guard("drop"), Hires()))
    assert members(copied, "boss/hand/hand") == ["Guard", "Hires"]
    hires = Hires()
    loosened = Agent(name="boss", model=ScriptedModel([]), middleware=(Guard("drop"), hires))
    hires._changes = {"middleware": (hires,)}
    assert members(loosened, "boss/hand") == ["Guard of boss", "Hires"]
    assert members(loosened, "boss/hand/hand") == ["Guard of boss", "Hires"]


async def test_an_error_of_inherited_middleware_names_whose_it_is(world: World) -> None:
    class Strict(Middleware):
        inherited = True

        async def before_model(self, request: Request, context: TurnContext) -> Request:
            if context.meta.depth:
                raise ValueError("oh")
            return request

    parent = await world.start(restricted(boss(scholar(Step("hm")), calls=[task("scholar", "go")]), Strict()))
    await say(parent)
    assert await rest(parent) == "idle"
    [end] = [event for event in await world.events((await child_of(world)).id) if isinstance(event, TurnEnded)]
    assert end.reason == "middleware_failed"
    assert "Strict of boss" in str(end.detail)

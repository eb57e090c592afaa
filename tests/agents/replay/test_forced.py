"""Forced replay: a change of model, prompt or tools is asked in each recorded place, and nothing else happens."""

import pytest

from agents.agent import Agent
from agents.clock import now_ms
from agents.errors import ModelError, TurnStopped
from agents.middleware.conversation_title import ConversationTitle
from agents.middleware.human_in_the_loop import HumanInTheLoop
from agents.middleware.todo_list import TodoList
from agents.models import Call, ModelRequest, ScriptedModel, Step
from agents.models.scripted.message_history import tool_returns, user_texts
from agents.ports import NoLimits
from agents.replay.change import Change
from agents.tools import tool
from store import Scope
from store.registries.usage import conversation_scope, day_of, person_scope
from tests.support.compaction import say_each
from tests.support.conversations import World
from tests.support.replays import KeepingModel, replayed, replayer, store_apart

RAN: list[str] = []


@tool
def look_up(word: str) -> str:
    """Look up a word."""
    RAN.append(word)
    return f"{word}: a word"


def looking(request: ModelRequest) -> Step:
    if found := tool_returns(request.messages):
        return Step(found[0].text)
    return Step(calls=[Call("look_up", {"word": user_texts(request.messages)[-1]})])


def shouting(request: ModelRequest) -> Step:
    """Looks up in capitals, and says something else at the end."""
    if found := tool_returns(request.messages):
        return Step(f"{found[0].text}!")
    return Step(calls=[Call("look_up", {"word": user_texts(request.messages)[-1].upper()})])


def agent(script: object = looking, **options: object) -> Agent:
    return Agent(name="reader", model=ScriptedModel(script), tools=[look_up], **options)  # type: ignore[arg-type]


async def test_a_new_model_is_asked_with_the_recorded_context_and_runs_no_tool(world: World) -> None:
    await say_each(await world.start(agent()), "tree")
    RAN.clear()
    new = KeepingModel(shouting, name="claude-haiku-4-5")

    found = await replayed(world, agent(), model=new)

    assert RAN == []
    assert [(one.comparison.verdict, one.new.ending, one.new.model) for one in found] == [
        ("calls", "answered", "claude-haiku-4-5"),
        ("words", "answered", "claude-haiku-4-5"),
    ]
    [pair] = found[0].comparison.changed_calls
    assert (pair.change, pair.old.arguments, pair.new.arguments) == ("changed", {"word": "tree"}, {"word": "TREE"})
    assert tool_returns(new.requests[1].messages)[0].text == "tree: a word", "the recorded call led to the second round"
    assert (found[1].old.text, found[1].new.text) == ("tree: a word", "tree: a word!")
    assert found[0].new.cost is not None
    assert found[0].old.cost is None


async def test_the_original_and_all_lists_stay_as_they_were(world: World) -> None:
    kept = agent(middleware=[TodoList(), ConversationTitle(), HumanInTheLoop({"look_up": True})])
    await say_each(await world.start(agent()), "tree")
    before = await world.store.log.read("c"), await world.store.registry.get("c")
    used = await world.store.usage.total(conversation_scope("c"))

    found = await replayed(world, kept)

    assert [one.new.ending for one in found] == ["answered", "answered"]
    assert (await world.store.log.read("c"), await world.store.registry.get("c")) == before
    assert await world.store.usage.total(conversation_scope("c")) == used
    assert await world.store.files.list(Scope("conversation", "c")) == []


async def test_who_replays_pays_and_its_limits_hold(world: World) -> None:
    class Spent(NoLimits):
        def __init__(self) -> None:
            self.asked: list[str] = []

        async def require_spending(self, principal: str) -> None:
            self.asked.append(principal)
            raise TurnStopped("limit_reached", "Nothing is left.")

    await say_each(await world.start(agent()), "tree")
    limits = Spent()
    found = await replayed(world, agent(), principal="bob", limits=limits)
    assert [(one.new.ending, one.new.reason) for one in found] == [("failed", "limit_reached")] * 2
    assert limits.asked == ["bob", "bob"]

    await replayed(world, agent(), principal="bob")
    await world.store.usage.aclose()
    assert (await world.store.usage.total(person_scope("bob", day_of(now_ms())))).tokens > 0


async def test_a_new_prompt_and_fewer_tools(world: World) -> None:
    await say_each(await world.start(agent(system_prompt="Be old.")), "tree")
    new = KeepingModel(looking)
    changed = {"model": new, "system_prompt": "Be new.", "without_tools": ["look_up"]}

    found = await replayed(world, agent(), **changed)

    assert [(request.system, list(request.tools)) for request in new.requests] == [("Be new.", [])] * 2
    assert [(call.name, call.status) for call in found[0].new.calls] == [("look_up", "error")], "there is no such tool"
    with pytest.raises(LookupError, match="no tool rename"):
        Change(without_tools=["rename"]).apply(agent())


async def test_another_agent_answers_for_the_recorded_one(world: World) -> None:
    await say_each(await world.start(agent()), "tree")
    other = Agent(name="other", model=ScriptedModel([Step("No."), Step("Never.")]))
    found = await replayed(world, agent(), other, agent="other")
    assert [(one.agent, one.comparison.verdict, one.new.text) for one in found] == [
        ("other", "calls", "No."),
        ("other", "words", "Never."),
    ]


async def test_a_failing_provider_is_asked_again_and_then_said(world: World) -> None:
    await say_each(await world.start(agent()), "tree")
    tries: list[int] = []

    def flaky(request: ModelRequest) -> Step:
        tries.append(1)
        if len(tries) in (1, 2):
            return Step(failure=ModelError("overloaded", "It is overloaded."))
        if len(tries) > 3:
            return Step(failure=ModelError("rate_limited", "Too many."))
        return looking(request)

    found = await replayed(world, agent(), model=ScriptedModel(flaky))
    assert [(one.comparison.verdict, one.new.ending, one.new.reason) for one in found] == [
        ("same", "answered", None),
        ("ending", "failed", "rate_limited"),
    ]
    assert len(tries) == 3 + 3


async def test_it_is_the_same_replay_whenever_it_is_taken_up(world: World) -> None:
    await say_each(await world.start(agent()), "tree")
    async with store_apart(world) as apart:
        meta = await world.store.registry.get("c")
        first = [one.new.text async for one in replayer(world, apart, agent()).replay(meta)]
        again = [one.new.text async for one in replayer(world, apart, agent()).replay(meta)]
    assert first == again == ["", "tree: a word"]

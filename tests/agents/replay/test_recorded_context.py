"""The context of a recorded round: the new agent gets exactly the request that the recorded answer was given to."""

import pytest

from agents.agent import Agent
from agents.conversation.request_builder import SUMMARY_HEADING
from agents.examples import assistant, operator, researcher
from agents.examples.offline.assistant import assistant_script
from agents.examples.offline.operator import operator_script
from agents.examples.offline.researcher import researcher_script, scout_script
from agents.middleware.compaction.reducers import STUB
from agents.models import Call, ModelRequest, ScriptedModel, Step
from agents.models.scripted.message_history import tool_returns, user_texts
from agents.tools import tool
from agents.turn.inputs import Resolve
from tests.support.compaction import LookingModel, agent_of, looking_tool, say_each
from tests.support.conversations import World, rest, say, until
from tests.support.replays import KeepingModel, on_model, replayed

LONG = "x" * 1950


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def adding(request: ModelRequest) -> Step:
    if found := tool_returns(request.messages):
        return Step(f"It is {found[0].text}.")
    words = user_texts(request.messages)[-1].split()
    if words[0] == "add":
        return Step("Let me see.", calls=[Call("add", {"a": int(words[1]), "b": int(words[2])})])
    return Step(f"You said {' '.join(words)}.")


async def test_each_round_is_asked_as_it_was(world: World) -> None:
    model = KeepingModel(adding)
    agent = Agent(name="adder", model=model, tools=[add], system_prompt="Add.")
    conversation = await world.start(agent)
    await say_each(conversation, "hello", "add 2 3", "bye")
    asked = list(model.requests)

    found = await replayed(world, agent)

    assert model.requests[len(asked) :] == asked
    assert [(one.turn, one.step, one.question, one.comparison.verdict) for one in found] == [
        (1, 1, "hello", "same"),
        (2, 1, "add 2 3", "same"),
        (2, 2, "add 2 3", "same"),
        (3, 1, "bye", "same"),
    ]
    assert [(call.name, dict(call.arguments)) for call in found[1].old.calls] == [("add", {"a": 2, "b": 3})]


async def test_reduced_and_summarised_contexts_are_shown_as_they_were(world: World) -> None:
    model = LookingModel()
    conversation = await world.start(
        agent_of(model, looking_tool(2000), stub=1000, summary=2500, keep_turns=2, keep_steps=1)
    )
    for number, words in enumerate((f"one {LONG}", "look 1", f"three {LONG}", "look 1x2", f"five {LONG}", "six")):
        await say_each(conversation, words)
        if number == 4:
            await until(lambda: conversation.history.summary is not None)
    asked = list(model.requests)
    summaries = len(model.summary_prompts)
    assert any(SUMMARY_HEADING in request.system for request in asked)
    assert any(STUB in str(request.messages) for request in asked)

    await replayed(world, conversation.agent)

    assert model.requests[len(asked) :] == asked
    assert len(model.summary_prompts) == summaries, "nothing is summarised in a replay"


async def test_what_came_while_the_model_answered_is_not_in_its_context(world: World) -> None:
    model = LookingModel(permits=0)
    conversation = await world.start(agent_of(model, looking_tool(10)))
    await say(conversation, "look 1")
    await until(lambda: model.begun == 1)
    await say(conversation, "and this", on_busy="steer")
    await say(conversation, "later", on_busy="queue")
    for _ in range(6):
        model.permit()
    assert await rest(conversation) == "idle"
    asked = list(model.requests)

    for _ in range(6):
        model.permit()
    found = await replayed(world, conversation.agent)

    assert model.requests[len(asked) :] == asked
    assert {one.comparison.verdict for one in found} == {"same"}


@tool(approval="required")
def remove(what: str) -> str:
    """Remove something."""
    return f"{what} is gone"


async def test_approved_and_cancelled_calls_are_in_the_context(world: World) -> None:
    def script(request: ModelRequest) -> Step:
        if found := tool_returns(request.messages):
            return Step(found[-1].text)
        return Step(calls=[Call("remove", {"what": user_texts(request.messages)[-1]})])

    model = KeepingModel(script)
    agent = Agent(name="remover", model=model, tools=[remove])
    conversation = await world.start(agent)
    for words, decision in (("chair", "approve"), ("table", "reject"), ("lamp", None)):
        await say(conversation, words)
        assert await rest(conversation) == "awaiting_input"
        [waiting] = conversation.inspect().pending
        if decision is None:
            await conversation.cancel("ada")
        else:
            await conversation.resolve(Resolve(tool_call_id=waiting, decision=decision, principal="ada"))
        assert await rest(conversation) == "idle"
    asked = list(model.requests)

    found = await replayed(world, agent)

    assert model.requests[len(asked) :] == asked
    assert [one.new.calls[0].name for one in found if one.step == 1] == ["remove"] * 3
    assert not conversation.inspect().pending, "a replay asks no person"


@pytest.mark.parametrize("name", ["assistant", "operator", "researcher"])
async def test_the_middleware_of_the_examples_makes_the_same_requests(world: World, name: str) -> None:
    scripts = {"assistant": assistant_script, "operator": operator_script, "researcher": researcher_script}
    model = KeepingModel(scripts[name])
    scout = ScriptedModel(scout_script)
    agents = {"assistant": assistant, "operator": operator, "researcher": lambda model: researcher(model, scout)}
    agent = on_model(agents[name](model), model)
    conversation = await world.start(agent)
    for words in ("hello", "what is 12 * 3?", "remember that I like tea", "what do you know of me?"):
        await say(conversation, words)
        if await rest(conversation) == "awaiting_input":
            await conversation.cancel("ada")
            await rest(conversation)
    asked = list(model.requests)
    await replayed(world, agent)

    def contexts(requests: list[ModelRequest]) -> list[object]:
        """Without what is injected at the end: memory and time are as they are now."""
        return [(request.system, request.tools, request.messages[:-1]) for request in requests]

    assert contexts(model.requests[len(asked) :]) == contexts(asked)

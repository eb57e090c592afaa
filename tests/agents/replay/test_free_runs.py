"""Free replay: the agent runs anew; its tools answer from the recording, or really run where that is asked for."""

from agents.agent import Agent
from agents.middleware.human_in_the_loop import HumanInTheLoop
from agents.models import Call, ModelRequest, ScriptedModel, Step
from agents.models.scripted.message_history import tool_returns, turn_of, user_texts
from agents.tools import tool
from agents.turn.inputs import Resolve
from tests.support.compaction import say_each
from tests.support.conversations import World, rest, say
from tests.support.replays import replayed, replayer, store_apart

RAN: list[str] = []
"""What tools have done; each test begins with none."""


@tool
def count(what: str) -> str:
    """Count something; it is more each time."""
    RAN.append(what)
    return f"{len(RAN)} {what}"


def counting(request: ModelRequest) -> Step:
    """ "sheep goats" counts one after the other, then says what was counted."""
    turn = turn_of(request)
    wanted = turn.prompt.split()
    if len(turn.results) < len(wanted):
        return Step(calls=[Call("count", {"what": wanted[len(turn.results)]})])
    return Step(", ".join(result.text for result in turn.results))


def agent(**options: object) -> Agent:
    return Agent(**{"name": "counter", "model": ScriptedModel(counting), "tools": [count], **options})  # type: ignore[arg-type]


async def recorded(world: World, *words: str) -> None:
    RAN.clear()
    await say_each(await world.start(agent()), *words)
    RAN.clear()


async def test_recorded_tools_answer_as_they_did_and_do_not_run(world: World) -> None:
    await recorded(world, "sheep goats", "sheep sheep")

    found = await replayed(world, agent(), mode="recorded")

    assert RAN == []
    assert [(one.turn, one.step, one.comparison.verdict, one.new.text) for one in found] == [
        (1, 0, "same", "1 sheep, 2 goats"),
        (2, 0, "same", "3 sheep, 4 sheep"),
    ]
    assert [(call.name, call.result, call.status) for call in found[0].new.calls] == [
        ("count", "1 sheep", "ok"),
        ("count", "2 goats", "ok"),
    ]
    assert found[0].new.model_calls == 3


async def test_a_call_that_was_not_recorded_stops_the_run(world: World) -> None:
    await recorded(world, "sheep", "sheep", "sheep")

    def curious(request: ModelRequest) -> Step:
        if len(user_texts(request.messages)) == 2:
            return Step("And wolves?", calls=[Call("count", {"what": "wolves"})])
        return counting(request)

    found = await replayed(world, agent(), mode="recorded", model=ScriptedModel(curious))

    assert RAN == []
    assert [(one.comparison.verdict, one.new.ending, one.new.reason) for one in found] == [
        ("same", "answered", None),
        ("ending", "stopped", "not_recorded"),
        ("ending", "stopped", "not_reached"),
    ]
    assert found[1].new.detail == 'The recording has no call count {"what":"wolves"}.'
    assert [call.arguments for call in found[1].new.calls] == [{"what": "wolves"}]


async def test_one_more_equal_call_gets_the_last_recorded_answer(world: World) -> None:
    await recorded(world, "sheep sheep")

    def asking_again(request: ModelRequest) -> Step:
        results = turn_of(request).results
        return Step(results[-1].text) if len(results) == 4 else Step(calls=[Call("count", {"what": "sheep"})])

    [found] = await replayed(world, agent(), mode="recorded", model=ScriptedModel(asking_again))
    assert [call.result for call in found.new.calls] == ["1 sheep", "2 sheep", "2 sheep", "2 sheep"]
    assert [pair.change for pair in found.comparison.calls] == ["same", "same", "added", "added"]


@tool(approval="required", approvers=["another"])
def remove(what: str) -> str:
    """Remove something."""
    RAN.append(what)
    return f"{what} is gone"


@tool(executor="client")
def locate() -> str:
    """Where the user is."""


def removing(request: ModelRequest) -> Step:
    turn = turn_of(request)
    calls = [Call("locate"), Call("remove", {"what": turn.prompt})]
    return Step(" ".join(result.text for result in turn.results)) if turn.results else Step(calls=calls)


async def test_people_and_clients_answer_from_the_recording_too(world: World) -> None:
    gated = Agent(name="remover", model=ScriptedModel(removing), tools=[remove, locate])
    conversation = await world.start(gated)
    for words, decision in (("chair", "approve"), ("table", "reject")):
        await say(conversation, words)
        assert await rest(conversation) == "awaiting_input"
        for call_id, call in conversation.inspect().pending.items():
            answer = (
                {"decision": "respond", "answer": "at home"} if call["name"] == "locate" else {"decision": decision}
            )
            standing = ["admin", "owner", "members"]
            await conversation.resolve(Resolve(tool_call_id=call_id, principal="bob", standing=standing, **answer))
        assert await rest(conversation) == "idle"
    RAN.clear()

    found = await replayed(world, gated, mode="recorded")

    assert RAN == []
    assert {one.comparison.verdict for one in found} == {"same"}
    assert "chair is gone" in found[0].new.text
    assert [call.status for call in found[1].new.calls] == ["ok", "error"], "it was rejected, as the model read it then"


async def test_live_tools_run_in_a_conversation_of_their_own(world: World) -> None:
    await recorded(world, "sheep", "goats")
    log = await world.store.log.read("c")

    found = await replayed(world, agent(), mode="live")

    assert RAN == ["sheep", "goats"]
    assert [one.new.text for one in found] == ["1 sheep", "2 goats"]
    assert await world.store.log.read("c") == log
    assert await world.store.registry.unfinished(2**60, 10) == []


async def test_a_live_run_that_is_taken_up_repeats_no_effect(world: World) -> None:
    await recorded(world, "sheep", "goats")
    meta = await world.store.registry.get("c")
    async with store_apart(world) as apart:
        made = replayer(world, apart, agent(), mode="live")
        stream = made.replay(meta)
        first = await anext(stream)
        await stream.aclose()
        again = [one async for one in replayer(world, apart, agent(), mode="live").replay(meta)]
        await made.forget("c")
        await made.forget("c")
    assert RAN == ["sheep", "goats"]
    assert [one.new.text for one in again] == [first.new.text, "2 goats"]


async def test_a_live_run_stops_where_people_would_be_asked(world: World) -> None:
    await recorded(world, "sheep", "goats")
    gated = agent(middleware=[HumanInTheLoop({"count": True})])
    found = await replayed(world, gated, mode="live")
    assert RAN == []
    assert [(one.new.ending, one.new.reason) for one in found] == [("waiting", None), ("stopped", "not_reached")]
    assert found[0].new.detail


async def test_a_message_that_was_steered_in_follows_its_turn(world: World) -> None:
    def script(request: ModelRequest) -> Step:
        if tool_returns(request.messages):
            return Step(user_texts(request.messages)[-1])
        return Step(calls=[Call("count", {"what": user_texts(request.messages)[0]})])

    one = Agent(name="steered", model=ScriptedModel(script, delay=0.001), tools=[count])
    conversation = await world.start(one)
    await say(conversation, "sheep")
    await say(conversation, "and goats", on_busy="steer")
    assert await rest(conversation) == "idle"

    [found] = await replayed(world, one, mode="recorded")
    assert found.question == "sheep\n\nand goats"
    assert found.new.ending == "answered"

"""A turn without progress is ended from outside: with a reason, a result for each call, and its incarnation fenced."""

from typing import Any

import pytest

from agents.agent import Agent
from agents.conversation.abort_turn import abort_in_log
from agents.errors import Refused
from agents.models import Call, ScriptedModel, Step
from agents.turn.events import TurnEnded
from store import ConversationNotFound
from tests.support.conversation_workbench import Bench, worker
from tests.support.conversations import World, ends, rest, results, say, spoken, until, watching


async def test_a_call_that_hangs_gets_its_result_and_the_turn_its_end(world: World) -> None:
    bench, asking = Bench(), Bench(approval="required", name="asking")
    agent = worker(bench.tool, asking.tool, calls=[Call("work"), Call("asking")])
    hanging = await world.start(agent)
    receipt = await say(hanging)
    await bench.begun()

    aborted, before = await abort_in_log(world.store, "c", "operator")

    events = await world.events()
    assert results(events) == [
        ("unknown", "The outcome of this call is unknown: an operator released the turn while it ran."),
        ("cancelled", "cancelled: an operator released the turn"),
    ]
    assert ends(events) == [("failed", "released")]
    assert isinstance(events[-1], TurnEnded)
    assert (events[-1].principal, aborted.turn, aborted.seq) == ("operator", receipt.turn, len(events))
    assert before.epoch == hanging.inspect().epoch
    assert (await world.store.registry.get("c")).place is None, "no caller looks for it where it hung"


async def test_the_conversation_can_be_talked_to_while_the_older_one_still_hangs(world: World) -> None:
    bench, other = Bench(), Bench()
    other.finish.set()
    hanging = await world.start(worker(bench.tool))
    await say(hanging)
    await bench.begun()
    await abort_in_log(world.store, "c", None)

    newer = await world.open(worker(other.tool))
    await say(newer, "again")
    assert await rest(newer) == "idle"
    bench.finish.set()
    await hanging.gone

    assert ends(await world.events()) == [("failed", "released"), ("completed", None)]
    assert spoken(await world.events())[-1] == ("done", "completed")


async def test_a_model_that_says_nothing_is_given_up(world: World) -> None:
    conversation = await world.start(Agent(name="a", model=ScriptedModel([Step("never", hangs="before")])))
    await say(conversation)
    async with watching(world.store) as watcher:
        await abort_in_log(world.store, "c", None)
        seen = await watcher.until("state_changed", state="idle")
    assert [event["reason"] for event in seen if event["type"] == "turn_failed"] == ["released"]
    assert spoken(await world.events()) == []


async def test_a_message_that_waits_behind_the_turn_is_answered_by_the_next_incarnation(world: World) -> None:
    bench = Bench()
    hanging = await world.start(worker(bench.tool))
    await say(hanging)
    await bench.begun()
    await say(hanging, "and then?", on_busy="queue")

    await abort_in_log(world.store, "c", None)

    assert await world.store.registry.unfinished(2**53 - 1, 10) == ["c"], "the sweep finds it"
    newer = await world.open(Agent(name="worker", model=ScriptedModel([Step("here I am")] * 5)))
    assert await rest(newer) == "idle"
    assert ends(await world.events()) == [("failed", "released"), ("completed", None)]


async def test_a_conversation_that_others_claim_again_and_again_is_refused_for_now(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench()
    await say(await world.start(worker(bench.tool)))
    await bench.begun()
    append = world.store.log.append

    async def claimed_before(*written: Any, **options: Any) -> Any:
        await world.store.log.claim("c")
        return await append(*written, **options)

    monkeypatch.setattr(world.store.log, "append", claimed_before)
    with pytest.raises(Refused) as refused:
        await abort_in_log(world.store, "c", "operator")
    assert refused.value.code == "terminating"


async def test_nothing_is_aborted_where_nothing_runs(world: World) -> None:
    conversation = await world.start(Agent(name="a", model=ScriptedModel([Step("hi")])))
    with pytest.raises(Refused, match="No turn is running"):
        await abort_in_log(world.store, "c", None)
    await say(conversation)
    assert await rest(conversation) == "idle"
    with pytest.raises(Refused, match="No turn is running"):
        await abort_in_log(world.store, "c", None)
    assert not conversation.gone.done(), "one at rest is left alone"
    with pytest.raises(ConversationNotFound):
        await abort_in_log(world.store, "nobody", None)


async def test_an_agent_that_is_not_served_any_more_does_not_keep_its_turns(world: World) -> None:
    bench = Bench()
    conversation = await world.start(worker(bench.tool))
    await say(conversation)
    await bench.begun()
    await world.crash(conversation)
    world.agents.clear()
    await abort_in_log(world.store, "c", None)
    assert ends(await world.events()) == [("failed", "released")]


async def test_the_status_says_what_a_turn_waits_for_and_when_it_last_made_progress(world: World) -> None:
    now = 1_000
    bench = Bench()
    agent = worker(bench.tool)
    await world.create(agent)
    conversation = await world.open(agent, clock=lambda: now)
    assert (conversation.inspect().waits_for, conversation.inspect().progress_at) == ([], 0)
    await say(conversation)
    await bench.begun()
    [context] = bench.runs
    seen = conversation.inspect()
    assert seen.waits_for == [{"kind": "tool", "name": "work", "tool_call_id": context.tool_call_id}]
    assert seen.progress_at == 1_000
    now = 2_000
    context.progress("half of it")
    assert conversation.inspect().progress_at == 2_000

    later = await world.open(agent, clock=lambda: 9_000)
    assert later.inspect().progress_at == 1_000, "to be taken up again is no progress"


async def test_the_status_names_the_model(world: World) -> None:
    conversation = await world.start(Agent(name="a", model=ScriptedModel([Step("x", hangs="before")], name="mute")))
    await say(conversation)
    await until(lambda: conversation.inspect().waits_for)
    assert conversation.inspect().waits_for == [{"kind": "model", "name": "mute"}]

"""Suspensions and resolutions: nothing gated runs without a decision, and each decision is carried out once."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from agents.agent import Agent, Expiries
from agents.conversation import Conversation
from agents.errors import Refused
from agents.models import Call
from agents.tools import tool
from agents.turn.events import Resolution, Suspension
from agents.turn.inputs import Resolve
from tests.support.conversation_workbench import Bench, worker
from tests.support.conversations import World, ends, rest, results, say, spoken


@tool(executor="client", approval="required")
def photograph() -> str:
    """Take a picture with the device."""
    return "never called by the server"


@tool(executor="human")
def ask(question: str) -> str:
    """Ask a person."""
    return question


def pending(conversation: Conversation) -> str:
    [tool_call_id] = conversation.inspect().pending
    return tool_call_id


async def waiting(world: World, agent: Agent) -> Conversation:
    """A conversation that waits for a person."""
    conversation = await world.start(agent)
    await say(conversation)
    assert await rest(conversation) == "awaiting_input"
    return conversation


def gated() -> Bench:
    bench = Bench(approval="required")
    bench.finish.set()
    return bench


async def decide(conversation: Conversation, decision: Any, **more: Any) -> str:
    tool_call_id = pending(conversation)
    await conversation.resolve(Resolve(tool_call_id=tool_call_id, decision=decision, principal="bob", **more))
    await rest(conversation)
    return tool_call_id


async def test_a_call_approved_by_another_person_runs_in_their_name(world: World) -> None:
    bench = gated()
    conversation = await waiting(world, worker(bench.tool, calls=[Call("work", {"job": "dig"})]))
    assert bench.runs == []

    await decide(conversation, "approve")

    assert [context.principal for context in bench.runs] == ["bob"]
    assert results(await world.events()) == [("ok", "dig done")]


async def test_edited_runs_with_the_arguments_of_the_person(world: World) -> None:
    bench = gated()
    conversation = await waiting(world, worker(bench.tool, calls=[Call("work", {"job": "dig"})]))
    await decide(conversation, "edit", arguments={"job": "fill"})
    assert results(await world.events()) == [("ok", "fill done")]


async def test_edited_arguments_are_checked_like_any_others(world: World) -> None:
    bench = gated()
    conversation = await waiting(world, worker(bench.tool))
    with pytest.raises(Refused, match="job: Input should be a valid string") as refused:
        await decide(conversation, "edit", arguments={"job": 7})
    assert refused.value.code == "invalid_decision"
    assert bench.runs == []
    bench.finish.set()
    await decide(conversation, "edit", arguments={"job": "paint"})
    assert results(await world.events()) == [("ok", "paint done")]


async def test_rejected_runs_nothing(world: World) -> None:
    bench = gated()
    conversation = await waiting(world, worker(bench.tool))
    await decide(conversation, "reject", reason="too loud")
    assert bench.runs == []
    assert results(await world.events()) == [("denied", "Denied by the user: too loud")]
    assert spoken(await world.events())[-1] == ("done", "completed")


async def test_answered_in_the_tools_place(world: World) -> None:
    bench = gated()
    conversation = await waiting(world, worker(bench.tool))
    await decide(conversation, "respond", answer={"taken": 3})
    assert bench.runs == []
    assert results(await world.events()) == [("ok", '{"taken": 3}')]


async def test_two_clicks_at_once_execute_once(world: World) -> None:
    bench = gated()
    conversation = await waiting(world, worker(bench.tool))
    click = Resolve(tool_call_id=pending(conversation), decision="approve", principal="bob")

    first, second = await asyncio.gather(conversation.resolve(click), conversation.resolve(click))

    assert second == replace(first, duplicate=True)
    await rest(conversation)
    assert len(bench.runs) == 1


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"decision": "edit"}, "invalid_decision"),
        ({"decision": "approve", "arguments": {}}, "invalid_decision"),
        ({"decision": "respond"}, "invalid_decision"),
        ({"decision": "approve", "tool_call_id": "toolu_other"}, "stale_resolution"),
    ],
)
async def test_a_decision_that_does_not_fit_changes_nothing(world: World, wrong: dict[str, Any], code: str) -> None:
    bench = gated()
    conversation = await waiting(world, worker(bench.tool))
    before = await world.events()
    with pytest.raises(Refused) as refused:
        await conversation.resolve(Resolve(**{"tool_call_id": pending(conversation), **wrong}))
    assert refused.value.code == code
    assert await world.events() == before
    assert conversation.inspect().state == "awaiting_input"


async def test_ungated_calls_beside_a_gated_one_run_at_once(world: World) -> None:
    free, bench = Bench(name="free"), gated()
    free.finish.set()
    conversation = await waiting(world, worker(free.tool, bench.tool, calls=[Call("free"), Call("work"), Call("free")]))
    assert len(free.runs) == 2
    assert len(results(await world.events())) == 2
    await decide(conversation, "approve")
    assert [status for status, _ in results(await world.events())] == ["ok"] * 3


async def test_several_approvals_are_decided_one_by_one(world: World) -> None:
    bench = gated()
    conversation = await waiting(world, worker(bench.tool, calls=[Call("work", {"job": job}) for job in "ab"]))
    first, second = conversation.inspect().pending

    await conversation.resolve(Resolve(tool_call_id=second, decision="approve"))
    assert await rest(conversation) == "awaiting_input"
    assert pending(conversation) == first
    await conversation.resolve(Resolve(tool_call_id=first, decision="reject"))

    assert await rest(conversation) == "idle"
    assert results(await world.events()) == [("ok", "b done"), ("denied", "Denied by the user.")]


async def test_an_approval_survives_the_crash_of_its_owner(world: World) -> None:
    bench = gated()
    agent = worker(bench.tool)
    conversation = await waiting(world, agent)
    asked = conversation.inspect().pending
    await world.crash(conversation)

    conversation = await world.open(agent)

    assert await rest(conversation) == "awaiting_input"
    assert conversation.inspect().pending == asked
    await decide(conversation, "approve")
    assert len(bench.runs) == 1
    assert ends(await world.events()) == [("completed", None)]


async def test_a_crash_between_approval_and_result_repeats_with_the_edited_arguments(world: World) -> None:
    bench = Bench(approval="required")
    agent = worker(bench.tool)
    conversation = await waiting(world, agent)
    edit = Resolve(tool_call_id=pending(conversation), decision="edit", arguments={"job": "fill"}, principal="bob")
    await conversation.resolve(edit)
    await bench.begun()
    await world.crash(conversation)

    bench.finish.set()
    conversation = await world.open(agent)

    assert await rest(conversation) == "idle"
    assert [context.principal for context in bench.runs] == ["bob", "bob"]
    assert results(await world.events()) == [("ok", "fill done")]


async def test_a_crash_between_approval_and_result_is_reported_if_the_tool_says_so(world: World) -> None:
    bench = Bench(approval="required", on_unknown_outcome="report")
    agent = worker(bench.tool)
    conversation = await waiting(world, agent)
    await conversation.resolve(Resolve(tool_call_id=pending(conversation), decision="approve"))
    await bench.begun()
    await world.crash(conversation)

    await rest(await world.open(agent))

    assert len(bench.runs) == 1
    [(status, content)] = results(await world.events())
    assert (status, content) == (
        "unknown",
        "The outcome of this call is unknown: it was interrupted and is not repeated.",
    )


async def test_a_gated_call_of_a_client_waits_twice_and_each_time_runs_out(world: World) -> None:
    agent = worker(photograph, calls=[Call("photograph")], expiries=Expiries(client=60.0, people=3600.0))
    conversation = await waiting(world, agent)
    assert conversation.inspect().pending[pending(conversation)]["kind"] == "approval"

    await decide(conversation, "approve")
    assert conversation.inspect().state == "awaiting_input"
    assert conversation.inspect().pending[pending(conversation)]["kind"] == "client_exec"
    await decide(conversation, "respond", answer="a picture")

    assert results(await world.events()) == [("ok", "a picture")]
    log = await world.log()
    spans = [e.event.expires_at - e.at for e in log if isinstance(e.event, Suspension) and e.event.expires_at]
    assert [round(span / 60_000) for span in spans] == [60, 1], "an hour for the person, a minute for the program"
    assert [e.event.decision for e in log if isinstance(e.event, Resolution)] == ["approve", "respond"]


async def test_a_question_to_a_person_is_answered_by_words(world: World) -> None:
    conversation = await waiting(world, worker(ask, calls=[Call("ask", {"question": "Which one?"})]))
    assert conversation.inspect().pending[pending(conversation)]["kind"] == "elicitation"
    with pytest.raises(Refused) as refused:
        await decide(conversation, "approve")
    assert refused.value.code == "invalid_decision"
    await decide(conversation, "respond", answer="the red one")
    assert results(await world.events()) == [("ok", "the red one")]

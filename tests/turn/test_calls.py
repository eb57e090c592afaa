"""Calls that wait for the outside: legal, illegal, late and double decisions; expiry; gated client calls."""

from collections.abc import Callable
from typing import Any

import pytest

from agents.turn import State
from agents.turn.commands import ArmExpiry, CallModel, DisarmExpiry, RunTool
from agents.turn.events import Decision, Resolution, Suspension, ToolCall, ToolResult, arguments_hash
from agents.turn.inputs import Expire, ModelRef, ProposedCall, Resolve, ToolFinished
from agents.turn.live import StateChanged, Suspended, ToolCallErrored, ToolCallResolved
from tests.support.turn_harness import TurnHarness
from tests.support.turn_stages import (
    EXPIRES,
    awaiting,
    client,
    executing,
    gated,
    gated_client,
    idle,
    preparing,
    question,
    server,
    streaming,
    with_calls,
)

Build = Callable[[str], ProposedCall]


def resolve(decision: Decision, **more: Any) -> Resolve:
    return Resolve(tool_call_id="x", decision=decision, principal="bob", **more)


def call_of(harness: TurnHarness) -> ToolCall:
    return next(event for event in harness.events if isinstance(event, ToolCall))


def test_approve_runs_the_call_for_the_approver() -> None:
    harness = with_calls(gated("x"))
    harness.feed(resolve("approve"))
    assert harness.events[-1] == Resolution(turn=1, principal="bob", tool_call_id="x", decision="approve")
    assert harness.effects == [DisarmExpiry("x"), RunTool(call_of(harness), {"text": "x"}, "bob")]
    assert harness.state is State.EXECUTING_TOOLS


def test_edit_runs_the_call_with_the_new_arguments() -> None:
    harness = with_calls(gated("x"))
    harness.feed(resolve("edit", arguments={"text": "milder"}))
    assert harness.effects[-1] == RunTool(call_of(harness), {"text": "milder"}, "bob")


def test_edit_to_no_arguments_at_all_is_an_edit() -> None:
    harness = with_calls(gated("x"))
    harness.feed(resolve("edit", arguments={}))
    assert harness.effects[-1] == RunTool(call_of(harness), {}, "bob")


@pytest.mark.parametrize(
    ("build", "said"),
    [(gated, "Denied by the user"), (question, "Denied by the user"), (client, "The client did not execute it")],
)
@pytest.mark.parametrize(("reason", "more"), [("too loud", ": too loud"), (None, ".")])
def test_reject_denies_the_call_and_the_model_reads_why(build: Build, said: str, reason: str | None, more: str) -> None:
    content = said + more
    harness = with_calls(build("x"))
    harness.feed(resolve("reject", reason=reason))
    assert harness.result("x") == ToolResult(
        turn=1, principal="bob", tool_call_id="x", content=content, status="denied"
    )
    assert ToolCallErrored(turn=1, tool_call_id="x", status="denied") in harness.broadcasts
    assert harness.effects == [DisarmExpiry("x"), CallModel(ModelRef(1, 2))]


@pytest.mark.parametrize("build", [gated, question, client])
@pytest.mark.parametrize(
    ("answer", "content"),
    [("blue", "blue"), ("", ""), ({"näme": [1, None]}, '{"näme": [1, null]}'), (False, "false"), (0, "0")],
)
def test_respond_is_the_result(build: Build, answer: object, content: str) -> None:
    harness = with_calls(build("x"))
    harness.feed(resolve("respond", answer=answer))
    assert harness.result("x") == ToolResult(turn=1, principal="bob", tool_call_id="x", content=content, status="ok")
    assert ToolCallResolved(turn=1, tool_call_id="x", status="ok") in harness.broadcasts


ILLEGAL: list[tuple[Build, Resolve, str]] = [
    (question, resolve("approve"), "This call takes respond, reject, not approve."),
    (question, resolve("edit", arguments={}), "This call takes respond, reject, not edit."),
    (client, resolve("approve"), "This call takes respond, reject, not approve."),
    (client, resolve("edit", arguments={}), "This call takes respond, reject, not edit."),
    (gated, resolve("edit"), "To edit a call, send its new arguments."),
    (gated, resolve("approve", arguments={"text": "y"}), "Arguments go with the decision edit only."),
    (gated, resolve("reject", arguments={}), "Arguments go with the decision edit only."),
    (gated, resolve("respond"), "To respond, send an answer."),
    (question, resolve("respond"), "To respond, send an answer."),
    (client, resolve("respond"), "To respond, send an answer."),
]


@pytest.mark.parametrize(("build", "wrong", "detail"), ILLEGAL)
def test_a_decision_that_does_not_fit_is_refused_and_the_call_waits_on(
    build: Build, wrong: Resolve, detail: str
) -> None:
    harness = with_calls(build("x"))
    refusal = harness.feed(wrong).refusal
    assert refusal is not None
    assert (refusal.code, refusal.detail) == ("invalid_decision", detail)
    assert harness.state is State.AWAITING_INPUT


@pytest.mark.parametrize("build", [idle, preparing, streaming, executing, awaiting])
def test_an_answer_that_nothing_waits_for_is_stale(build: Callable[[], TurnHarness]) -> None:
    harness = build()
    refusal = harness.feed(resolve("approve")).refusal
    assert refusal is not None
    assert refusal.code == "stale_resolution"


@pytest.mark.parametrize("second", ["approve", "reject"])
@pytest.mark.parametrize("finished", [True, False])
def test_two_clicks_execute_once(second: Decision, finished: bool) -> None:
    harness = with_calls(gated("x"))
    harness.feed(resolve("approve"))
    if finished:
        harness.finish_tool("x")
    refusal = harness.feed(resolve(second)).refusal
    assert refusal is not None
    assert refusal.code == "stale_resolution"


def test_answers_may_come_in_any_order_and_the_model_waits_for_the_last() -> None:
    harness = with_calls(gated("g"), question("q"), client("c"))
    harness.feed(Resolve(tool_call_id="c", decision="respond", answer="here"))
    still = [e for e in harness.broadcasts if isinstance(e, Suspended)]
    assert [list(e.pending) for e in still] == [["g", "q"]]
    harness.approve("g")
    harness.finish_tool("g")
    assert harness.state is State.AWAITING_INPUT
    harness.feed(Resolve(tool_call_id="q", decision="respond", answer="both"))
    assert harness.effects[-1] == CallModel(ModelRef(1, 2))


def test_an_approval_while_another_tool_runs() -> None:
    harness = with_calls(server("a"), gated("g"))
    harness.approve("g")
    assert set(harness.tools) == {"a", "g"}
    assert not [e for e in harness.broadcasts if isinstance(e, StateChanged)]


def test_a_gated_client_call_suspends_twice() -> None:
    harness = with_calls(gated_client("x"))
    assert harness.effects == [ArmExpiry("x", EXPIRES)]

    harness.feed(resolve("edit", arguments={"exact": True}, expires_at=5_000))

    assert harness.events[-1] == Suspension(
        turn=1,
        principal="bob",
        tool_call_id="x",
        kind="client_exec",
        executor="client",
        prompt="May I?",
        expires_at=5_000,
        arguments_hash=arguments_hash({"exact": True}),
    )
    assert harness.effects == [DisarmExpiry("x"), ArmExpiry("x", 5_000)]
    assert harness.state is State.AWAITING_INPUT
    assert harness.machine.facts.calls["x"].arguments == {"exact": True}
    harness.feed(resolve("respond", answer={"lat": 1}))
    assert harness.result("x").content == '{"lat": 1}'


@pytest.mark.parametrize("decision", ["reject", "respond"])
def test_a_gated_client_call_may_end_at_its_gate(decision: Decision) -> None:
    harness = with_calls(gated_client("x"))
    harness.feed(resolve(decision, answer="no need" if decision == "respond" else None))
    assert harness.state is State.PREPARING
    assert len([e for e in harness.events if isinstance(e, Suspension)]) == 1


@pytest.mark.parametrize("build", [gated, question, client, gated_client])
@pytest.mark.parametrize("now", [EXPIRES, EXPIRES + 1])
def test_a_call_without_an_answer_times_out(build: Build, now: int) -> None:
    harness = with_calls(build("x"))
    harness.feed(Expire(tool_call_id="x", now=now))
    result = harness.result("x")
    assert (result.status, result.content) == ("timeout", "Nobody answered in time.")
    assert harness.effects == [CallModel(ModelRef(1, 2))]
    assert harness.feed(resolve("approve")).refusal is not None, "the late answer is stale"


def test_a_timer_of_the_first_suspension_does_not_end_the_second() -> None:
    harness = with_calls(gated_client("x"))
    harness.feed(resolve("approve", expires_at=5_000))
    harness.feed(Expire(tool_call_id="x", now=EXPIRES))
    assert harness.last.commands == ()
    harness.feed(Expire(tool_call_id="x", now=5_000))
    assert harness.result("x").status == "timeout"


def test_a_suspension_without_expiry_waits_for_ever() -> None:
    harness = with_calls(ProposedCall(tool_call_id="x", name="ask", arguments={}, executor="human"))
    assert harness.effects == []
    harness.feed(Expire(tool_call_id="x", now=10**15))
    assert harness.last.commands == ()


@pytest.mark.parametrize("build", [idle, preparing, streaming, executing, awaiting])
@pytest.mark.parametrize("key", ["a", "g", "nowhere"])
def test_timers_of_nothing_that_waits_are_ignored(build: Callable[[], TurnHarness], key: str) -> None:
    harness = build()
    harness.feed(Expire(tool_call_id=key, now=EXPIRES - 1))
    assert (harness.last.commands, harness.last.refusal) == ((), None)


def test_a_tool_reports_its_own_error() -> None:
    harness = executing()
    harness.feed(ToolFinished(turn=1, tool_call_id="a", content="no such row", status="error"))
    assert harness.result("a").status == "error"
    assert harness.broadcasts[0] == ToolCallErrored(turn=1, tool_call_id="a", status="error")


@pytest.mark.parametrize("report", [(1, "a"), (2, "z"), (2, "g"), (3, "b")])
def test_the_result_of_a_dead_or_unknown_or_waiting_call_is_ignored(report: tuple[int, str]) -> None:
    harness = executing()
    harness.say("no", on_busy="interrupt")
    harness.answer("", server("b"), gated("g"))
    turn, key = report
    harness.feed(ToolFinished(turn=turn, tool_call_id=key, content="late"))
    assert (harness.last.commands, harness.last.refusal) == ((), None)

"""Questions of middleware and of running tools to people, and what else goes with an answer of the model."""

from dataclasses import replace

import pytest

from agents.turn import State
from agents.turn.commands import CallModel, DisarmExpiry, Finish, RunTool, StopTools
from agents.turn.events import (
    Resolution,
    StatePatch,
    Summary,
    Suspension,
    ToolCall,
    ToolResult,
    TurnEnded,
    UserMsg,
    arguments_hash,
)
from agents.turn.facts import fold
from agents.turn.inputs import (
    Cancel,
    Expire,
    ModelInterrupted,
    ModelRef,
    Patch,
    Patched,
    Question,
    Resolve,
    Stop,
    Summarised,
    ToolFinished,
    ToolInterrupted,
)
from agents.turn.snapshot import restore_snapshot, take_snapshot
from tests.support.turn_harness import TurnHarness, text
from tests.support.turn_stages import (
    EXPIRES,
    ask,
    asking,
    client,
    gated,
    idle,
    preparing,
    server,
    streaming,
    with_calls,
)


def interrupted() -> TurnHarness:
    """Middleware has asked people before the model was called."""
    harness = preparing()
    harness.feed(
        ModelInterrupted(ref=harness.model_call, asks=(ask("q"),), patches=(Patch(source="Budget", changes={"n": 1}),))
    )
    return harness


def test_middleware_asks_before_the_model_and_the_call_is_made_after_the_answer() -> None:
    harness = interrupted()
    call = next(event for event in harness.events if isinstance(event, ToolCall))
    assert (call.source, call.executor, call.step) == ("Budget", "human", 1)
    assert harness.machine.facts.state == {"Budget": {"n": 1}}

    harness.feed(Resolve(tool_call_id="q", decision="approve", principal="bob"))

    assert harness.result("q").content == "Approved."
    assert harness.effects == [DisarmExpiry("q"), CallModel(ModelRef(1, 1))]


@pytest.mark.parametrize(
    ("resolve", "status", "content"),
    [
        (Resolve(tool_call_id="q", decision="reject", reason="no"), "denied", "Denied by the user: no"),
        (Resolve(tool_call_id="q", decision="respond", answer="later"), "ok", "later"),
        (Expire(tool_call_id="q", now=EXPIRES), "timeout", "Nobody answered in time."),
    ],
)
def test_every_answer_to_middleware_leads_to_the_model(resolve: Resolve | Expire, status: str, content: str) -> None:
    harness = interrupted()
    harness.feed(resolve)
    assert (harness.result("q").status, harness.result("q").content) == (status, content)
    assert harness.effects[-1] == CallModel(ModelRef(1, 1))


def test_a_question_that_goes_with_a_last_answer_holds_the_end_of_the_turn() -> None:
    harness = streaming()
    harness.feed(replace(harness.finished("done"), asks=(ask("q"),)))
    assert harness.state is State.AWAITING_INPUT

    harness.feed(Resolve(tool_call_id="q", decision="approve"))

    assert harness.effects == [DisarmExpiry("q"), Finish()]
    assert isinstance(harness.events[-1], TurnEnded)


def test_a_tool_that_asks_is_run_again_with_the_answer() -> None:
    harness = asking()
    assert harness.state is State.AWAITING_INPUT
    waits = harness.machine.facts.calls["a"].suspension
    assert waits is not None
    assert waits.resumes

    harness.feed(Resolve(tool_call_id="a", decision="edit", arguments={"q": "other"}, principal="bob"))

    run = harness.effects[-1]
    assert isinstance(run, RunTool)
    assert (run.arguments, run.principal) == ({"q": "a"}, "ann"), "the answer is for the tool, not for its gate"
    assert run.interrupted
    assert run.resolution is not None
    assert (run.resolution.decision, run.resolution.arguments, run.resolution.principal) == (
        "edit",
        {"q": "other"},
        "bob",
    )
    harness.finish_tool("a")
    assert harness.state is State.PREPARING


def test_a_tool_whose_question_is_not_answered_is_run_again_and_learns_it() -> None:
    harness = asking()
    harness.feed(Expire(tool_call_id="a", now=EXPIRES))
    run = harness.effects[-1]
    assert isinstance(run, RunTool)
    assert run.interrupted
    assert run.resolution is None
    assert isinstance(harness.events[-1], Resolution)
    assert harness.events[-1].decision == "expire"


def test_a_tool_may_ask_again_and_the_old_answer_is_forgotten() -> None:
    harness = asking()
    harness.feed(Resolve(tool_call_id="a", decision="approve"))
    harness.feed(ToolInterrupted(turn=1, tool_call_id="a", question=Question(kind="elicitation", prompt="Which?")))
    assert harness.machine.facts.calls["a"].resolution is None
    assert harness.state is State.AWAITING_INPUT


def test_a_new_incarnation_runs_the_tool_with_the_answer_that_was_logged() -> None:
    harness = asking()
    harness.crash_after_append(Resolve(tool_call_id="a", decision="approve", principal="bob"))
    run = harness.effects[-1]
    assert isinstance(run, RunTool)
    assert run.resolution is not None
    assert run.resolution.principal == "bob"


def test_cancel_gives_up_a_tool_that_waits_and_says_so() -> None:
    harness = asking()
    harness.feed(Cancel(principal="ann"))
    stopped = next(effect for effect in harness.effects if isinstance(effect, StopTools))
    assert stopped.tool_call_ids == ()
    assert [given_up.call.tool_call_id for given_up in stopped.abandoned] == ["a"]


def test_an_incarnation_that_leaves_gives_nothing_up() -> None:
    harness = with_calls(server("a"))
    harness.feed(Stop())
    stopped = next(effect for effect in harness.effects if isinstance(effect, StopTools))
    assert (stopped.tool_call_ids, stopped.abandoned) == (("a",), ())


def test_feedback_makes_another_call_that_reads_it() -> None:
    harness = streaming()
    harness.feed(replace(harness.finished("nearly"), feedback=text("Say it in JSON.")))
    assert harness.effects == [CallModel(ModelRef(1, 2))]
    message = harness.events[-1]
    assert isinstance(message, UserMsg)
    assert (message.step, message.origin, message.turn) == (2, "agent", 1)


def test_an_answer_that_stops_the_turn_executes_nothing() -> None:
    harness = streaming()
    harness.feed(replace(harness.finished("", server("a"), gated("g")), stop=("budget_exhausted", "Enough.")))
    assert [event.status for event in harness.events if isinstance(event, ToolResult)] == ["error", "error"]
    assert not any(isinstance(event, Suspension) for event in harness.events)
    end = harness.events[-1]
    assert isinstance(end, TurnEnded)
    assert (end.outcome, end.reason, end.detail) == ("failed", "budget_exhausted", "Enough.")


def test_the_success_of_a_last_tool_ends_the_turn_when_the_others_are_done() -> None:
    harness = with_calls(replace(server("a"), ends_turn=True), server("b"))
    harness.finish_tool("a")
    assert harness.state is State.EXECUTING_TOOLS
    harness.crash()
    harness.finish_tool("b")
    assert harness.effects == [Finish()]


def test_the_failure_of_a_last_tool_ends_nothing() -> None:
    harness = with_calls(replace(server("a"), ends_turn=True))
    harness.feed(ToolFinished(turn=1, tool_call_id="a", content="no", status="error"))
    assert harness.state is State.PREPARING


def test_a_client_call_fails_when_no_client_is_there() -> None:
    harness = with_calls(client("x"))
    harness.feed(Expire(tool_call_id="x", now=5, unattended=True))
    assert (harness.result("x").status, harness.result("x").content) == (
        "error",
        "No client is connected that could execute this.",
    )
    assert harness.effects == [DisarmExpiry("x"), CallModel(ModelRef(1, 2))]


def test_an_approval_needs_no_client() -> None:
    harness = with_calls(gated("g"))
    harness.feed(Expire(tool_call_id="g", now=5, unattended=True))
    assert harness.last.commands == ()


def test_a_decision_is_bound_to_what_was_shown() -> None:
    harness = with_calls(gated("g"))
    harness.feed(Resolve(tool_call_id="g", decision="approve", arguments_hash=arguments_hash({"text": "other"})))
    assert harness.last.refusal is not None
    assert harness.last.refusal.code == "arguments_changed"
    harness.feed(Resolve(tool_call_id="g", decision="approve", arguments_hash=arguments_hash({"text": "g"})))
    assert harness.state is State.EXECUTING_TOOLS


def test_a_call_may_allow_fewer_decisions_than_its_kind() -> None:
    harness = with_calls(replace(gated("g"), decisions=("approve", "reject")))
    harness.feed(Resolve(tool_call_id="g", decision="edit", arguments={}))
    assert harness.last.refusal is not None
    assert harness.last.refusal.code == "invalid_decision"


def test_what_a_tool_remembers_is_durable_with_its_result() -> None:
    harness = with_calls(server("a"))
    patch = Patch(source="plan", changes={"x": 1, "y": 2})
    harness.feed(ToolFinished(turn=1, tool_call_id="a", content="done", patches=(patch,)))
    assert [type(event) for event in harness.events[-2:]] == [StatePatch, ToolResult]
    harness.feed(Patched(patch=Patch(source="plan", changes={"x": None})))
    assert harness.machine.facts.state == {"plan": {"y": 2}}


def test_a_log_folds_alike_from_a_summary_on() -> None:
    harness = idle()
    for words in ("one", "two", "three"):
        harness.say(words)
        harness.answer(words)
    harness.feed(Patched(patch=Patch(source="plan", changes={"x": 1})))
    ends = [entry.seq for entry in harness.log if isinstance(entry.event, TurnEnded)]
    rest = fold(harness.log[: ends[1]])
    harness.feed(Summarised(text="They counted.", through_turn=2, after=ends[1], base=take_snapshot(rest)))
    assert isinstance(harness.events[-1], Summary)

    assert fold(harness.log[ends[1] :], restore_snapshot(take_snapshot(rest), ends[1])) == fold(harness.log)


def test_a_summary_of_nothing_new_is_stale() -> None:
    harness = idle()
    harness.say()
    harness.answer()
    made = Summarised(text="They met.", through_turn=1, after=3, base={})
    harness.feed(made)
    harness.feed(made)
    assert sum(isinstance(event, Summary) for event in harness.events) == 1
    harness.feed(replace(made, through_turn=9))
    assert harness.last.commands == ()


def test_only_a_conversation_at_rest_has_a_snapshot() -> None:
    with pytest.raises(ValueError, match="at rest"):
        take_snapshot(preparing().machine.facts)

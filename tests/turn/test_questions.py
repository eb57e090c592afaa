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
from tests.support.scene import Scene, text
from tests.support.stages import EXPIRES, ask, asking, client, gated, idle, preparing, server, streaming, with_calls


def interrupted() -> Scene:
    """Middleware has asked people before the model was called."""
    scene = preparing()
    scene.feed(ModelInterrupted(ref=scene.asked, asks=(ask("q"),), patches=(Patch(source="Budget", changes={"n": 1}),)))
    return scene


def test_middleware_asks_before_the_model_and_the_call_is_made_after_the_answer() -> None:
    scene = interrupted()
    call = next(event for event in scene.events if isinstance(event, ToolCall))
    assert (call.source, call.executor, call.step) == ("Budget", "human", 1)
    assert scene.machine.facts.state == {"Budget": {"n": 1}}

    scene.feed(Resolve(tool_call_id="q", decision="approve", principal="bob"))

    assert scene.result("q").content == "Approved."
    assert scene.effects == [DisarmExpiry("q"), CallModel(ModelRef(1, 1))]


@pytest.mark.parametrize(
    ("resolve", "status", "content"),
    [
        (Resolve(tool_call_id="q", decision="reject", reason="no"), "denied", "Denied by the user: no"),
        (Resolve(tool_call_id="q", decision="respond", answer="later"), "ok", "later"),
        (Expire(tool_call_id="q", now=EXPIRES), "timeout", "Nobody answered in time."),
    ],
)
def test_every_answer_to_middleware_leads_to_the_model(resolve: Resolve | Expire, status: str, content: str) -> None:
    scene = interrupted()
    scene.feed(resolve)
    assert (scene.result("q").status, scene.result("q").content) == (status, content)
    assert scene.effects[-1] == CallModel(ModelRef(1, 1))


def test_a_question_that_goes_with_a_last_answer_holds_the_end_of_the_turn() -> None:
    scene = streaming()
    scene.feed(replace(scene.finished("done"), asks=(ask("q"),)))
    assert scene.state is State.AWAITING_INPUT

    scene.feed(Resolve(tool_call_id="q", decision="approve"))

    assert scene.effects == [DisarmExpiry("q"), Finish()]
    assert isinstance(scene.events[-1], TurnEnded)


def test_a_tool_that_asks_is_run_again_with_the_answer() -> None:
    scene = asking()
    assert scene.state is State.AWAITING_INPUT
    waits = scene.machine.facts.calls["a"].suspension
    assert waits is not None
    assert waits.resumes

    scene.feed(Resolve(tool_call_id="a", decision="edit", arguments={"q": "other"}, principal="bob"))

    run = scene.effects[-1]
    assert isinstance(run, RunTool)
    assert (run.arguments, run.principal) == ({"q": "a"}, "ann"), "the answer is for the tool, not for its gate"
    assert run.interrupted
    assert run.resolution is not None
    assert (run.resolution.decision, run.resolution.arguments, run.resolution.principal) == (
        "edit",
        {"q": "other"},
        "bob",
    )
    scene.finish_tool("a")
    assert scene.state is State.PREPARING


def test_a_tool_whose_question_nobody_answers_is_run_again_and_told_so() -> None:
    scene = asking()
    scene.feed(Expire(tool_call_id="a", now=EXPIRES))
    run = scene.effects[-1]
    assert isinstance(run, RunTool)
    assert run.interrupted
    assert run.resolution is None
    assert isinstance(scene.events[-1], Resolution)
    assert scene.events[-1].decision == "expire"


def test_a_tool_may_ask_again_and_the_old_answer_is_forgotten() -> None:
    scene = asking()
    scene.feed(Resolve(tool_call_id="a", decision="approve"))
    scene.feed(ToolInterrupted(turn=1, tool_call_id="a", question=Question(kind="elicitation", prompt="Which?")))
    assert scene.machine.facts.calls["a"].resolution is None
    assert scene.state is State.AWAITING_INPUT


def test_a_new_incarnation_runs_the_tool_with_the_answer_that_was_logged() -> None:
    scene = asking()
    scene.crash_after_append(Resolve(tool_call_id="a", decision="approve", principal="bob"))
    run = scene.effects[-1]
    assert isinstance(run, RunTool)
    assert run.resolution is not None
    assert run.resolution.principal == "bob"


def test_cancel_gives_up_a_tool_that_waits_and_says_so() -> None:
    scene = asking()
    scene.feed(Cancel(principal="ann"))
    stopped = next(effect for effect in scene.effects if isinstance(effect, StopTools))
    assert stopped.tool_call_ids == ()
    assert [given_up.call.tool_call_id for given_up in stopped.abandoned] == ["a"]


def test_an_incarnation_that_leaves_gives_nothing_up() -> None:
    scene = with_calls(server("a"))
    scene.feed(Stop())
    stopped = next(effect for effect in scene.effects if isinstance(effect, StopTools))
    assert (stopped.tool_call_ids, stopped.abandoned) == (("a",), ())


def test_feedback_makes_another_call_that_reads_it() -> None:
    scene = streaming()
    scene.feed(replace(scene.finished("nearly"), feedback=text("Say it in JSON.")))
    assert scene.effects == [CallModel(ModelRef(1, 2))]
    message = scene.events[-1]
    assert isinstance(message, UserMsg)
    assert (message.step, message.origin, message.turn) == (2, "agent", 1)


def test_an_answer_that_stops_the_turn_executes_nothing() -> None:
    scene = streaming()
    scene.feed(replace(scene.finished("", server("a"), gated("g")), stop=("budget_exhausted", "Enough.")))
    assert [event.status for event in scene.events if isinstance(event, ToolResult)] == ["error", "error"]
    assert not any(isinstance(event, Suspension) for event in scene.events)
    end = scene.events[-1]
    assert isinstance(end, TurnEnded)
    assert (end.outcome, end.reason, end.detail) == ("failed", "budget_exhausted", "Enough.")


def test_the_success_of_a_last_tool_ends_the_turn_when_the_others_are_done() -> None:
    scene = with_calls(replace(server("a"), ends_turn=True), server("b"))
    scene.finish_tool("a")
    assert scene.state is State.EXECUTING_TOOLS
    scene.crash()
    scene.finish_tool("b")
    assert scene.effects == [Finish()]


def test_the_failure_of_a_last_tool_ends_nothing() -> None:
    scene = with_calls(replace(server("a"), ends_turn=True))
    scene.feed(ToolFinished(turn=1, tool_call_id="a", content="no", status="error"))
    assert scene.state is State.PREPARING


def test_a_client_call_fails_when_no_client_is_there() -> None:
    scene = with_calls(client("x"))
    scene.feed(Expire(tool_call_id="x", now=5, unattended=True))
    assert (scene.result("x").status, scene.result("x").content) == (
        "error",
        "No client is connected that could execute this.",
    )
    assert scene.effects == [DisarmExpiry("x"), CallModel(ModelRef(1, 2))]


def test_an_approval_needs_no_client() -> None:
    scene = with_calls(gated("g"))
    scene.feed(Expire(tool_call_id="g", now=5, unattended=True))
    assert scene.last.commands == ()


def test_a_decision_is_bound_to_what_was_shown() -> None:
    scene = with_calls(gated("g"))
    scene.feed(Resolve(tool_call_id="g", decision="approve", arguments_hash=arguments_hash({"text": "other"})))
    assert scene.last.refusal is not None
    assert scene.last.refusal.code == "arguments_changed"
    scene.feed(Resolve(tool_call_id="g", decision="approve", arguments_hash=arguments_hash({"text": "g"})))
    assert scene.state is State.EXECUTING_TOOLS


def test_a_call_may_allow_fewer_decisions_than_its_kind() -> None:
    scene = with_calls(replace(gated("g"), decisions=("approve", "reject")))
    scene.feed(Resolve(tool_call_id="g", decision="edit", arguments={}))
    assert scene.last.refusal is not None
    assert scene.last.refusal.code == "invalid_decision"


def test_what_a_tool_remembers_is_durable_with_its_result() -> None:
    scene = with_calls(server("a"))
    patch = Patch(source="plan", changes={"x": 1, "y": 2})
    scene.feed(ToolFinished(turn=1, tool_call_id="a", content="done", patches=(patch,)))
    assert [type(event) for event in scene.events[-2:]] == [StatePatch, ToolResult]
    scene.feed(Patched(patch=Patch(source="plan", changes={"x": None})))
    assert scene.machine.facts.state == {"plan": {"y": 2}}


def test_a_log_folds_alike_from_a_summary_on() -> None:
    scene = idle()
    for words in ("one", "two", "three"):
        scene.say(words)
        scene.answer(words)
    scene.feed(Patched(patch=Patch(source="plan", changes={"x": 1})))
    ends = [entry.seq for entry in scene.log if isinstance(entry.event, TurnEnded)]
    rest = fold(scene.log[: ends[1]])
    scene.feed(Summarised(text="They counted.", through_turn=2, after=ends[1], base=take_snapshot(rest)))
    assert isinstance(scene.events[-1], Summary)

    assert fold(scene.log[ends[1] :], restore_snapshot(take_snapshot(rest), ends[1])) == fold(scene.log)


def test_a_summary_of_nothing_new_is_stale() -> None:
    scene = idle()
    scene.say()
    scene.answer()
    made = Summarised(text="They met.", through_turn=1, after=3, base={})
    scene.feed(made)
    scene.feed(made)
    assert sum(isinstance(event, Summary) for event in scene.events) == 1
    scene.feed(replace(made, through_turn=9))
    assert scene.last.commands == ()


def test_only_a_conversation_at_rest_can_be_put_aside() -> None:
    with pytest.raises(ValueError, match="at rest"):
        take_snapshot(preparing().machine.facts)

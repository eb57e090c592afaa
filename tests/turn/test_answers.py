"""The model's answers: text, calls, nothing, a pause, a failure; and answers that come too late."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from agents.turn import Input, Limits, State
from agents.turn.commands import Append, ArmExpiry, Broadcast, CallModel, Finish, RunTool
from agents.turn.events import AssistantMsg, Block, Suspension, ToolCall, ToolResult, TurnEnded, arguments_hash
from agents.turn.inputs import ModelFailed, ModelFinished, ModelRef, ModelStarted, Partial, ProposedCall
from agents.turn.live import (
    MessageCompleted,
    StateChanged,
    Suspended,
    ToolCallErrored,
    ToolCallStarted,
    TurnCompleted,
    TurnFailed,
)
from tests.support.invariants import check_at_rest
from tests.support.turn_harness import TurnHarness, text
from tests.support.turn_stages import (
    EXPIRES,
    awaiting,
    client,
    executing,
    gated,
    idle,
    preparing,
    question,
    server,
    streaming,
)

UNKNOWN_TOOL = ProposedCall(tool_call_id="u", name="fly", arguments={}, refusal="There is no tool named fly.")


def test_a_plain_answer_ends_the_turn() -> None:
    harness = streaming()

    harness.feed(replace(harness.finished("hi"), usage={"output_tokens": 3}, model="claude"))

    answer = AssistantMsg(
        turn=1,
        principal="ann",
        message_id="m1.1.1",
        step=1,
        content=text("hi"),
        stop_reason="end_turn",
        usage={"output_tokens": 3},
        model="claude",
    )
    ended = TurnEnded(turn=1, principal="ann", outcome="completed")
    assert harness.last.commands == (
        Append((answer, ended)),
        Broadcast(MessageCompleted(turn=1, message_id="m1.1.1", seq=2)),
        Broadcast(StateChanged(turn=1, state=State.IDLE, last_seq=3)),
        Broadcast(TurnCompleted(turn=1)),
        Finish(),
    )


def test_a_mixed_batch_is_logged_with_the_answer_then_each_call_goes_its_own_way() -> None:
    harness = streaming()

    harness.feed(harness.finished("", gated("g"), server("a"), UNKNOWN_TOOL, question("q"), client("c")))

    events = harness.events[1:]
    assert [type(e) for e in events] == [AssistantMsg] + [ToolCall] * 5 + [
        Suspension,
        ToolResult,
        Suspension,
        Suspension,
    ]
    assert [e.tool_call_id for e in events if isinstance(e, ToolCall)] == ["g", "a", "u", "q", "c"]
    assert [(e.tool_call_id, e.kind) for e in events if isinstance(e, Suspension)] == [
        ("g", "approval"),
        ("q", "elicitation"),
        ("c", "client_exec"),
    ]
    assert [type(e) for e in harness.broadcasts] == [MessageCompleted] + [ToolCallStarted] * 5 + [
        ToolCallErrored,
        Suspended,
        StateChanged,
    ]
    call = next(e for e in events if isinstance(e, ToolCall) and e.tool_call_id == "a")
    assert harness.effects == [
        ArmExpiry("g", EXPIRES),
        RunTool(call, {"q": "a"}, "ann"),
        ArmExpiry("q", EXPIRES),
        ArmExpiry("c", EXPIRES),
    ]
    assert harness.state is State.EXECUTING_TOOLS


def test_what_waits_is_told_in_the_shape_of_fsm_state() -> None:
    harness = streaming()
    harness.feed(harness.finished("", question("q")))
    waits = {
        "executor": "human",
        "kind": "elicitation",
        "prompt": "Which one?",
        "expires_at": EXPIRES,
        "decisions": ["respond", "reject"],
        "arguments_hash": arguments_hash({}),
        "form": None,
        "name": "ask",
        "approvers": [],
        "asked_by": [],
    }
    assert harness.broadcasts[-2:] == [
        Suspended(turn=1, pending={"q": waits}),
        StateChanged(turn=1, state=State.AWAITING_INPUT, last_seq=4),
    ]


def test_a_refusal_without_words_is_not_asked_for_again() -> None:
    harness = streaming()
    harness.feed(harness.finished(" ", stop_reason="refusal"))
    end = harness.events[-1]
    assert isinstance(end, TurnEnded)
    assert (end.outcome, end.reason) == ("failed", "refusal")


def test_a_batch_of_calls_that_cannot_run_goes_back_to_the_model_at_once() -> None:
    harness = streaming()
    harness.feed(harness.finished("", UNKNOWN_TOOL))
    assert harness.result("u").content == "There is no tool named fly."
    assert harness.effects == [CallModel(ModelRef(1, 2))]


def test_the_model_is_asked_again_only_when_the_last_result_is_in() -> None:
    harness = streaming()
    harness.feed(harness.finished("", server("a"), server("b")))
    harness.finish_tool("b")
    assert harness.effects == []
    harness.finish_tool("a")
    assert harness.effects == [CallModel(ModelRef(1, 2))]


@pytest.mark.parametrize(
    "content",
    [
        (),
        ({"type": "text", "text": " \n"},),
        ({"type": "thinking", "thinking": "hm", "signature": "s"},),
        ({"type": "redacted_thinking", "data": "x"}, {"type": "text", "text": ""}),
    ],
)
def test_a_blank_answer_is_asked_for_again_a_bounded_number_of_times(content: tuple[Block, ...]) -> None:
    harness = preparing(Limits(blank_answers=2))
    for attempt in (2, 3):
        harness.start_model()
        harness.feed(replace(harness.finished(), content=content))
        assert harness.effects == [CallModel(ModelRef(1, 1, attempt))]
        assert len(harness.log) == 1, "a blank answer is no event"
    harness.start_model()
    harness.feed(replace(harness.finished(), content=content))

    assert harness.broadcasts[-1] == TurnFailed(turn=1, reason="empty_answer", detail="The model gave no answer.")
    check_at_rest(harness.log)


def test_thinking_without_text_is_an_answer_when_it_calls_a_tool() -> None:
    harness = streaming()
    harness.feed(replace(harness.finished("", server("a")), content=()))
    assert harness.state is State.EXECUTING_TOOLS


def test_a_paused_turn_goes_on() -> None:
    harness = preparing()
    harness.answer("searching", stop_reason="pause_turn")
    assert harness.effects == [CallModel(ModelRef(1, 2))]
    harness.answer("found")
    assert check_at_rest(harness.log).step == 2


@pytest.mark.parametrize("pause", [True, False])
def test_the_number_of_model_calls_in_a_turn_is_bounded(pause: bool) -> None:
    harness = preparing(Limits(model_calls=2))
    for key in ("a", "b"):
        if pause:
            harness.answer("more", stop_reason="pause_turn")
        else:
            harness.answer("more", server(key))
            harness.finish_tool(key)
    detail = "The turn was stopped after 2 model calls."
    assert harness.broadcasts[-1] == TurnFailed(turn=1, reason="model_call_limit", detail=detail)
    check_at_rest(harness.log)


@pytest.mark.parametrize("state", [State.PREPARING, State.STREAMING])
def test_a_failed_call_fails_the_turn_with_its_reason(state: State) -> None:
    harness = preparing() if state is State.PREPARING else streaming()
    harness.fail_model("rate_limited")
    assert harness.events[1:] == [
        TurnEnded(turn=1, principal="ann", outcome="failed", reason="rate_limited", detail="The model is busy.")
    ]
    assert harness.effects == [Finish()]


def test_text_that_came_before_the_stream_broke_is_kept() -> None:
    harness = streaming()
    partial = Partial(message_id="m", content=text("half"), model="claude")
    harness.feed(ModelFailed(ref=harness.model_call, reason="stream_broken", detail="It broke.", partial=partial))
    kept = harness.events[1]
    assert isinstance(kept, AssistantMsg)
    assert (kept.status, kept.content, kept.stop_reason) == ("interrupted", text("half"), None)


def test_a_partial_without_content_leaves_no_event() -> None:
    harness = streaming()
    partial = Partial(message_id="m", content=())
    harness.feed(ModelFailed(ref=harness.model_call, reason="stream_broken", detail="It broke.", partial=partial))
    assert [type(e) for e in harness.events[1:]] == [TurnEnded]


def late(ref: ModelRef) -> list[Input]:
    return [
        ModelStarted(ref=ref),
        ModelFinished(ref=ref, message_id="late", content=text("late")),
        ModelFailed(ref=ref, reason="timeout", detail="Too late."),
    ]


@pytest.mark.parametrize("ref", [ModelRef(1, 1), ModelRef(2, 1, 2), ModelRef(2, 2), ModelRef(3, 1)])
@pytest.mark.parametrize("started", [True, False])
def test_signals_of_another_model_call_are_ignored(ref: ModelRef, started: bool) -> None:
    harness = streaming()
    harness.say("no, this", on_busy="interrupt")
    if started:
        harness.start_model()

    for signal in late(ref):
        ignored = harness.feed(signal)
        assert (ignored.commands, ignored.refusal) == ((), None)

    assert harness.model_call == ModelRef(2, 1)


@pytest.mark.parametrize("build", [idle, executing, awaiting])
def test_signals_of_a_model_call_that_ended_are_ignored(build: Callable[[], TurnHarness]) -> None:
    harness = build()
    for signal in late(ModelRef(1, 1)):
        ignored = harness.feed(signal)
        assert (ignored.commands, ignored.refusal) == ((), None)

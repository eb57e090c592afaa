"""A new incarnation goes on where the log ends, whatever the last one was doing."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from agents.turn import Limits, State, fold, fsm_state
from agents.turn.commands import ArmExpiry, CallModel, Finish, RunTool
from agents.turn.events import ToolCall, arguments_hash
from agents.turn.inputs import ModelRef, Recover, Resolve
from agents.turn.live import StateChanged, Suspended, ToolCallErrored, TurnFailed
from tests.support.invariants import check_at_rest
from tests.support.turn_harness import TurnHarness
from tests.support.turn_stages import (
    BUSY,
    EXPIRES,
    awaiting,
    executing,
    gated,
    gated_client,
    idle,
    preparing,
    queued,
    server,
    streaming,
    with_calls,
)


def call(harness: TurnHarness, key: str) -> ToolCall:
    return next(e for e in harness.events if isinstance(e, ToolCall) and e.tool_call_id == key)


def test_a_log_at_rest_needs_nothing() -> None:
    harness = preparing()
    harness.answer()
    harness.crash()
    assert (harness.state, harness.last.commands) == (State.IDLE, (Finish(),))


@pytest.mark.parametrize("build", [preparing, streaming])
def test_a_log_that_ends_in_a_message_asks_the_model_again(build: Callable[[], TurnHarness]) -> None:
    harness = build()
    harness.crash()
    assert harness.effects == [CallModel(ModelRef(1, 1))]
    assert harness.broadcasts == [StateChanged(turn=1, state=State.PREPARING, last_seq=1)]
    harness.answer()
    check_at_rest(harness.log)


def test_a_lost_call_is_dispatched_again_under_its_id_and_the_model_is_not_asked() -> None:
    harness = with_calls(server("a"), server("b"))
    harness.finish_tool("b")
    log = list(harness.log)

    harness.crash()

    assert harness.log == log
    assert harness.effects == [RunTool(call(harness, "a"), {"q": "a"}, "ann")]
    assert harness.state is State.EXECUTING_TOOLS


def test_a_lost_call_that_must_not_be_repeated_is_reported_as_unknown() -> None:
    once = replace(server("a"), on_unknown_outcome="report")
    harness = with_calls(once)

    harness.crash()

    result = harness.result("a")
    assert result.status == "unknown"
    assert result.content == "The outcome of this call is unknown: it was interrupted and is not repeated."
    assert harness.broadcasts[0] == ToolCallErrored(turn=1, tool_call_id="a", status="unknown")
    assert harness.effects == [CallModel(ModelRef(1, 2))]


def test_calls_of_both_kinds_and_one_that_waits() -> None:
    harness = with_calls(server("a"), replace(server("b"), on_unknown_outcome="report"), gated("g"))
    harness.crash()
    assert harness.result("b").status == "unknown"
    assert harness.effects == [ArmExpiry("g", EXPIRES), RunTool(call(harness, "a"), {"q": "a"}, "ann")]
    assert harness.state is State.EXECUTING_TOOLS


def test_a_suspension_waits_on_with_its_expiry_armed_again() -> None:
    harness = awaiting()
    harness.crash()
    assert harness.effects == [ArmExpiry("g", EXPIRES)]
    assert [type(event) for event in harness.broadcasts] == [Suspended, StateChanged]
    harness.approve("g")
    assert set(harness.tools) == {"g"}


@pytest.mark.parametrize("on_unknown_outcome", ["repeat", "report"])
def test_a_crash_between_approval_and_result_goes_by_the_tools_declaration(on_unknown_outcome: str) -> None:
    report = on_unknown_outcome == "report"
    harness = with_calls(replace(gated("g"), on_unknown_outcome="report" if report else "repeat"))
    edit = Resolve(tool_call_id="g", decision="edit", arguments={"text": "milder"}, principal="bob")

    harness.crash_after_append(edit)

    if report:
        assert harness.result("g").status == "unknown"
    else:
        assert harness.effects == [RunTool(call(harness, "g"), {"text": "milder"}, "bob")]


def test_a_gated_client_call_is_found_in_its_second_suspension() -> None:
    harness = with_calls(gated_client("c"))
    approval = Resolve(tool_call_id="c", decision="approve", principal="bob", expires_at=9_000)
    harness.crash_after_append(approval)
    assert harness.effects == [ArmExpiry("c", 9_000)]
    assert fsm_state(harness.machine.facts)["pending"]["c"]["kind"] == "client_exec"


def test_the_last_result_was_logged_but_the_model_not_asked() -> None:
    harness = executing()
    harness.finish_tool("a")
    harness.crash()
    assert harness.effects == [CallModel(ModelRef(1, 2))]


def test_a_lower_bound_after_the_restart_ends_the_turn() -> None:
    harness = executing()
    harness.finish_tool("a")
    harness.limits = Limits(model_calls=1)
    harness.crash()
    assert [type(event) for event in harness.broadcasts] == [TurnFailed]
    check_at_rest(harness.log)


def test_the_turn_of_queued_messages_is_taken_up() -> None:
    harness = queued(streaming())
    harness.crash_after_append(harness.finished())
    assert harness.effects == [CallModel(ModelRef(2, 1))]


@pytest.mark.parametrize("state", BUSY)
def test_to_recover_twice_is_harmless(state: State) -> None:
    harness = BUSY[state]()
    harness.crash()
    harness.feed(Recover())
    assert harness.last.commands == ()


@pytest.mark.parametrize("state", BUSY)
def test_fsm_state_is_the_fold_of_the_log(state: State) -> None:
    harness = BUSY[state]()
    cached = fsm_state(harness.machine.facts)
    assert cached == fsm_state(fold(harness.log))
    waits = {
        "executor": "server",
        "kind": "approval",
        "prompt": "",
        "expires_at": EXPIRES,
        "decisions": ["approve", "edit", "reject", "respond"],
        "arguments_hash": arguments_hash({"text": "g"}),
        "form": None,
        "name": "announce",
        "approvers": [],
        "asked_by": [],
    }
    assert cached["pending"] == ({"g": waits} if state is State.AWAITING_INPUT else {})
    assert cached["last_seq"] == len(harness.log)


def test_fsm_state_of_a_conversation_that_waits_and_of_one_at_rest() -> None:
    assert fsm_state(awaiting().machine.facts)["state"] == "awaiting_input"
    assert fsm_state(idle().machine.facts) == {"state": "idle", "pending": {}, "last_seq": 0}


def test_the_next_expiry_is_the_earliest() -> None:
    harness = with_calls(replace(gated("g"), expires_at=700), gated("h"))
    assert harness.machine.facts.next_expiry == 700
    harness.approve("g")
    assert harness.machine.facts.next_expiry == EXPIRES
    harness.approve("h")
    assert harness.machine.facts.next_expiry is None

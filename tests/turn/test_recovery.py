"""A new incarnation takes up the log where it ends, whatever the last one had under way."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from agents.turn import Limits, State, fold, fsm_state
from agents.turn.commands import ArmExpiry, CallModel, Finish, RunTool
from agents.turn.events import ToolCall, arguments_hash
from agents.turn.inputs import ModelRef, Recover, Resolve
from agents.turn.live import StateChanged, Suspended, ToolCallErrored, TurnFailed
from tests.support.invariants import check_at_rest
from tests.support.scene import Scene
from tests.support.stages import (
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


def call(scene: Scene, key: str) -> ToolCall:
    return next(e for e in scene.events if isinstance(e, ToolCall) and e.tool_call_id == key)


def test_a_log_at_rest_needs_nothing() -> None:
    scene = preparing()
    scene.answer()
    scene.crash()
    assert (scene.state, scene.last.commands) == (State.IDLE, (Finish(),))


@pytest.mark.parametrize("build", [preparing, streaming])
def test_a_log_that_ends_in_a_message_asks_the_model_again(build: Callable[[], Scene]) -> None:
    scene = build()
    scene.crash()
    assert scene.effects == [CallModel(ModelRef(1, 1))]
    assert scene.told == [StateChanged(turn=1, state=State.PREPARING, last_seq=1)]
    scene.answer()
    check_at_rest(scene.log)


def test_a_lost_call_is_dispatched_again_under_its_id_and_the_model_is_not_asked() -> None:
    scene = with_calls(server("a"), server("b"))
    scene.finish_tool("b")
    log = list(scene.log)

    scene.crash()

    assert scene.log == log
    assert scene.effects == [RunTool(call(scene, "a"), {"q": "a"}, "ann")]
    assert scene.state is State.EXECUTING_TOOLS


def test_a_lost_call_that_must_not_be_repeated_is_reported_as_unknown() -> None:
    once = replace(server("a"), on_unknown_outcome="report")
    scene = with_calls(once)

    scene.crash()

    result = scene.result("a")
    assert result.status == "unknown"
    assert result.content == "The outcome of this call is unknown: it was interrupted and is not repeated."
    assert scene.told[0] == ToolCallErrored(turn=1, tool_call_id="a", status="unknown")
    assert scene.effects == [CallModel(ModelRef(1, 2))]


def test_calls_of_both_kinds_and_one_that_waits() -> None:
    scene = with_calls(server("a"), replace(server("b"), on_unknown_outcome="report"), gated("g"))
    scene.crash()
    assert scene.result("b").status == "unknown"
    assert scene.effects == [ArmExpiry("g", EXPIRES), RunTool(call(scene, "a"), {"q": "a"}, "ann")]
    assert scene.state is State.EXECUTING_TOOLS


def test_a_suspension_waits_on_with_its_expiry_armed_again() -> None:
    scene = awaiting()
    scene.crash()
    assert scene.effects == [ArmExpiry("g", EXPIRES)]
    assert [type(event) for event in scene.told] == [Suspended, StateChanged]
    scene.approve("g")
    assert set(scene.tools) == {"g"}


@pytest.mark.parametrize("on_unknown_outcome", ["repeat", "report"])
def test_a_crash_between_approval_and_result_goes_by_the_tools_declaration(on_unknown_outcome: str) -> None:
    report = on_unknown_outcome == "report"
    scene = with_calls(replace(gated("g"), on_unknown_outcome="report" if report else "repeat"))
    edit = Resolve(tool_call_id="g", decision="edit", arguments={"text": "milder"}, principal="bob")

    scene.crash_after_append(edit)

    if report:
        assert scene.result("g").status == "unknown"
    else:
        assert scene.effects == [RunTool(call(scene, "g"), {"text": "milder"}, "bob")]


def test_a_gated_client_call_is_found_in_its_second_suspension() -> None:
    scene = with_calls(gated_client("c"))
    approval = Resolve(tool_call_id="c", decision="approve", principal="bob", expires_at=9_000)
    scene.crash_after_append(approval)
    assert scene.effects == [ArmExpiry("c", 9_000)]
    assert fsm_state(scene.machine.facts)["pending"]["c"]["kind"] == "client_exec"


def test_the_last_result_was_logged_but_the_model_not_asked() -> None:
    scene = executing()
    scene.finish_tool("a")
    scene.crash()
    assert scene.effects == [CallModel(ModelRef(1, 2))]


def test_a_lower_bound_after_the_restart_ends_the_turn() -> None:
    scene = executing()
    scene.finish_tool("a")
    scene.limits = Limits(model_calls=1)
    scene.crash()
    assert [type(event) for event in scene.told] == [TurnFailed]
    check_at_rest(scene.log)


def test_the_turn_of_queued_messages_is_taken_up() -> None:
    scene = queued(streaming())
    scene.crash_after_append(scene.finished())
    assert scene.effects == [CallModel(ModelRef(2, 1))]


@pytest.mark.parametrize("state", BUSY)
def test_to_recover_twice_is_harmless(state: State) -> None:
    scene = BUSY[state]()
    scene.crash()
    scene.feed(Recover())
    assert scene.last.commands == ()


@pytest.mark.parametrize("state", BUSY)
def test_fsm_state_is_the_fold_of_the_log(state: State) -> None:
    scene = BUSY[state]()
    cached = fsm_state(scene.machine.facts)
    assert cached == fsm_state(fold(scene.log))
    waits = {
        "executor": "server",
        "kind": "approval",
        "prompt": "",
        "expires_at": EXPIRES,
        "decisions": ["approve", "edit", "reject", "respond"],
        "arguments_hash": arguments_hash({"text": "g"}),
        "form": None,
        "name": "announce",
    }
    assert cached["pending"] == ({"g": waits} if state is State.AWAITING_INPUT else {})
    assert cached["last_seq"] == len(scene.log)


def test_fsm_state_of_a_conversation_that_waits_and_of_one_at_rest() -> None:
    assert fsm_state(awaiting().machine.facts)["state"] == "awaiting_input"
    assert fsm_state(idle().machine.facts) == {"state": "idle", "pending": {}, "last_seq": 0}


def test_the_next_expiry_is_the_earliest() -> None:
    scene = with_calls(replace(gated("g"), expires_at=700), gated("h"))
    assert scene.machine.facts.next_expiry == 700
    scene.approve("g")
    assert scene.machine.facts.next_expiry == EXPIRES
    scene.approve("h")
    assert scene.machine.facts.next_expiry is None

"""A message at any moment: it begins a turn, or is refused, queued, steers, or interrupts, by its policy."""

import pytest

from agents.turn import Limits, Refusal, State
from agents.turn.commands import CallModel, DisarmExpiry, Finish, StopModel, StopTools
from agents.turn.events import AssistantMsg, TurnEnded, UserMsg
from agents.turn.inputs import Cancel, ModelRef, OnBusy, Partial, UserMessage
from agents.turn.live import StateChanged, TurnCancelled, TurnStarted
from tests.support.invariants import check_at_rest
from tests.support.scene import text
from tests.support.stages import BUSY, awaiting, executing, idle, queued, streaming

BUSY_STATES = pytest.mark.parametrize("state", BUSY)


def test_a_message_begins_a_turn_that_is_logged_told_and_run() -> None:
    scene = idle()
    message = UserMessage(content=text("hello"), client_id="c1", principal="ann")

    scene.feed(message)

    assert scene.events == [UserMsg(turn=1, principal="ann", content=text("hello"), step=1, client_id="c1")]
    assert scene.told == [
        TurnStarted(turn=1),
        StateChanged(turn=1, state=State.PREPARING, last_seq=1),
    ]
    assert scene.effects == [CallModel(ModelRef(1, 1))]


@BUSY_STATES
def test_reject_refuses_and_changes_nothing(state: State) -> None:
    scene = BUSY[state]()

    refused = scene.say(on_busy="reject")

    assert refused.refusal is not None
    assert refused.refusal.code == "turn_running"


@BUSY_STATES
def test_queue_holds_the_message_for_the_next_turn(state: State) -> None:
    scene = BUSY[state]()

    scene.say("later", on_busy="queue")

    assert scene.state is state
    assert scene.effects == []
    assert scene.events[-1] == UserMsg(turn=2, principal="ann", content=text("later"), step=1)
    assert scene.machine.facts.queued == 1


@BUSY_STATES
def test_no_more_messages_wait_than_may_and_an_interrupt_takes_them_along(state: State) -> None:
    scene = BUSY[state](Limits(queued=2))
    for waiting in ("queue", "steer"):
        for _ in range(2):
            assert scene.say(on_busy=waiting).refusal is None
        logged = list(scene.log)
        refused = scene.say(on_busy=waiting).refusal
        assert refused is not None
        assert refused.code == "queue_full"
        assert scene.log == logged
    assert scene.say(on_busy="interrupt").refusal is None
    assert scene.machine.facts.queued == 0


def test_steering_messages_that_have_been_read_wait_no_more() -> None:
    scene = streaming(Limits(queued=1))
    scene.say(on_busy="steer")
    scene.answer()
    assert scene.say(on_busy="steer").refusal is None


@BUSY_STATES
def test_steer_waits_for_the_first_model_call_that_can_read_it(state: State) -> None:
    scene = BUSY[state]()

    scene.say("rather this", on_busy="steer")

    assert scene.state is state
    assert scene.effects == []
    assert scene.events[-1] == UserMsg(turn=1, principal="ann", content=text("rather this"), step=2)


@BUSY_STATES
def test_interrupt_ends_the_turn_and_begins_the_next_in_one_step(state: State) -> None:
    scene = BUSY[state]()

    scene.say("stop, do this", on_busy="interrupt")

    assert scene.state is State.PREPARING
    assert scene.events[-2:] == [
        UserMsg(turn=2, principal="ann", content=text("stop, do this"), step=1),
        TurnEnded(turn=1, principal="ann", outcome="cancelled", reason="interrupted"),
    ]
    assert scene.told[-3:] == [
        TurnCancelled(turn=1),
        TurnStarted(turn=2),
        StateChanged(turn=2, state=State.PREPARING, last_seq=len(scene.log)),
    ]
    assert scene.effects[-1] == CallModel(ModelRef(2, 1))
    assert Finish() not in scene.effects, "it never comes to rest in between"


def test_an_interrupted_answer_keeps_its_text_before_the_message_that_cut_it_off() -> None:
    scene = streaming()
    partial = Partial(message_id="m", content=text("Once upon"), model="claude")

    scene.feed(UserMessage(content=text("no"), on_busy="interrupt", principal="ann", partial=partial))

    kept = AssistantMsg(
        turn=1,
        principal="ann",
        message_id="m",
        step=1,
        content=text("Once upon"),
        status="cancelled",
        model="claude",
    )
    assert scene.events[1] == kept
    assert isinstance(scene.events[2], UserMsg)
    assert scene.effects == [StopModel(ModelRef(1, 1)), CallModel(ModelRef(2, 1))]


def test_interrupt_stops_a_tool() -> None:
    scene = executing()
    scene.say("no", on_busy="interrupt")
    stopped, asked = scene.effects
    assert isinstance(stopped, StopTools)
    assert stopped.tool_call_ids == ("a",)
    assert asked == CallModel(ModelRef(2, 1))
    assert (scene.result("a").status, scene.result("a").content) == ("cancelled", "[cancelled]")


def test_interrupt_tells_a_waiting_call_why_nobody_answered() -> None:
    scene = awaiting()
    scene.say("no", on_busy="interrupt")
    assert scene.effects == [DisarmExpiry("g"), CallModel(ModelRef(2, 1))]
    assert scene.result("g").content == "cancelled: another message came in"


def test_an_interrupt_takes_along_what_was_queued_and_acts_for_its_own_sender() -> None:
    scene = queued(streaming())

    scene.say("now", on_busy="interrupt", principal="bob")

    assert [(e.turn, e.step) for e in scene.events if isinstance(e, UserMsg)] == [(1, 1), (2, 1), (2, 1)]
    assert scene.machine.facts.principal == "bob"
    assert scene.machine.facts.queued == 0


@pytest.mark.parametrize("end", ["completed", "failed", "cancelled"])
def test_queued_messages_become_one_turn_without_a_flicker_to_idle(end: str) -> None:
    scene = queued(queued(streaming()))

    if end == "completed":
        scene.feed(scene.finished())
    elif end == "failed":
        scene.fail_model()
    else:
        scene.feed(Cancel(principal="ann"))

    assert scene.effects[-1] == CallModel(ModelRef(2, 1))
    assert Finish() not in scene.effects
    changes = [event for event in scene.told if isinstance(event, StateChanged)]
    assert changes == [StateChanged(turn=2, state=State.PREPARING, last_seq=len(scene.log))]
    assert TurnStarted(turn=2) in scene.told
    scene.answer()
    assert check_at_rest(scene.log).turn == 2


def test_queued_messages_survive_a_crash() -> None:
    scene = queued(executing())
    scene.crash()
    assert scene.machine.facts.queued == 1
    scene.finish_tool("a")
    scene.answer()
    assert scene.machine.facts.turn == 2
    scene.answer()
    check_at_rest(scene.log)


def test_a_steered_message_is_answered_before_the_turn_completes() -> None:
    scene = streaming()
    scene.say("and in French", on_busy="steer")

    scene.feed(scene.finished("an answer that had not read it"))

    assert scene.effects == [CallModel(ModelRef(1, 2))]
    scene.answer("bonjour")
    assert scene.state is State.IDLE
    assert check_at_rest(scene.log).turn == 1


def test_a_steered_message_never_splits_a_batch_of_tools() -> None:
    scene = executing()
    scene.say("quick", on_busy="steer")
    scene.finish_tool("a")
    assert scene.effects == [CallModel(ModelRef(1, 2))]
    scene.answer("as you wish")
    assert scene.state is State.IDLE


def test_steering_still_counts_against_the_bound_of_model_calls() -> None:
    scene = streaming(Limits(model_calls=1))
    scene.say("more", on_busy="steer")
    scene.feed(scene.finished())
    assert scene.events[-1] == TurnEnded(
        turn=1,
        principal="ann",
        outcome="failed",
        reason="model_call_limit",
        detail="The turn was stopped after 1 model calls.",
    )


def test_an_agent_that_starts_itself_in_every_run_stops_at_the_bound() -> None:
    scene = idle(Limits(self_started=3))
    itself = UserMessage(content=text("go on"), origin="agent", on_busy="queue")
    scene.say()
    for _ in range(3):
        scene.feed(itself)
        scene.answer()
    assert scene.machine.facts.self_started == 3

    refused = scene.feed(itself)

    assert refused.refusal == Refusal("self_run_limit", "The agent has started itself 3 times in a row.")
    scene.answer()
    check_at_rest(scene.log)


@pytest.mark.parametrize("on_busy", ["queue", "interrupt"])
def test_a_person_who_speaks_gives_the_agent_its_runs_back(on_busy: OnBusy) -> None:
    scene = idle(Limits(self_started=1))
    itself = UserMessage(content=text("go on"), origin="agent", on_busy="queue")
    scene.feed(itself)

    scene.say(on_busy=on_busy)
    if on_busy == "queue":
        scene.answer()

    assert scene.machine.facts.self_started == 0
    assert scene.feed(itself).refusal is None

"""A message at any moment: it begins a turn, or is refused, queued, steers, or interrupts, by its policy."""

import pytest

from agents.turn import Limits, Refusal, State
from agents.turn.commands import CallModel, DisarmExpiry, Finish, StopModel, StopTools
from agents.turn.events import AssistantMsg, Origin, TurnEnded, UserMsg
from agents.turn.inputs import Cancel, ModelRef, OnBusy, Partial, UserMessage
from agents.turn.live import StateChanged, TurnCancelled, TurnStarted
from tests.support.invariants import check_at_rest
from tests.support.turn_harness import text
from tests.support.turn_stages import BUSY, awaiting, executing, idle, queued, streaming

BUSY_STATES = pytest.mark.parametrize("state", BUSY)


def test_a_message_begins_a_turn_that_is_logged_told_and_run() -> None:
    harness = idle()
    message = UserMessage(content=text("hello"), client_id="c1", principal="ann")

    harness.feed(message)

    assert harness.events == [UserMsg(turn=1, principal="ann", content=text("hello"), step=1, client_id="c1")]
    assert harness.broadcasts == [
        TurnStarted(turn=1),
        StateChanged(turn=1, state=State.PREPARING, last_seq=1),
    ]
    assert harness.effects == [CallModel(ModelRef(1, 1))]


@BUSY_STATES
def test_reject_refuses_and_changes_nothing(state: State) -> None:
    harness = BUSY[state]()

    refused = harness.say(on_busy="reject")

    assert refused.refusal is not None
    assert refused.refusal.code == "turn_running"


@BUSY_STATES
def test_queue_holds_the_message_for_the_next_turn(state: State) -> None:
    harness = BUSY[state]()

    harness.say("later", on_busy="queue")

    assert harness.state is state
    assert harness.effects == []
    assert harness.events[-1] == UserMsg(turn=2, principal="ann", content=text("later"), step=1)
    assert harness.machine.facts.queued == 1


@BUSY_STATES
def test_no_more_messages_wait_than_may_and_an_interrupt_takes_them_along(state: State) -> None:
    harness = BUSY[state](Limits(queued=2))
    for waiting in ("queue", "steer"):
        for _ in range(2):
            assert harness.say(on_busy=waiting).refusal is None
        logged = list(harness.log)
        refused = harness.say(on_busy=waiting).refusal
        assert refused is not None
        assert refused.code == "queue_full"
        assert harness.log == logged
    assert harness.say(on_busy="interrupt").refusal is None
    assert harness.machine.facts.queued == 0


def test_steering_messages_that_have_been_read_wait_no_more() -> None:
    harness = streaming(Limits(queued=1))
    harness.say(on_busy="steer")
    harness.answer()
    assert harness.say(on_busy="steer").refusal is None


@BUSY_STATES
def test_steer_waits_for_the_first_model_call_that_can_read_it(state: State) -> None:
    harness = BUSY[state]()

    harness.say("rather this", on_busy="steer")

    assert harness.state is state
    assert harness.effects == []
    assert harness.events[-1] == UserMsg(turn=1, principal="ann", content=text("rather this"), step=2)


@BUSY_STATES
def test_interrupt_ends_the_turn_and_begins_the_next_in_one_step(state: State) -> None:
    harness = BUSY[state]()

    harness.say("stop, do this", on_busy="interrupt")

    assert harness.state is State.PREPARING
    assert harness.events[-2:] == [
        UserMsg(turn=2, principal="ann", content=text("stop, do this"), step=1),
        TurnEnded(turn=1, principal="ann", outcome="cancelled", reason="interrupted"),
    ]
    assert harness.broadcasts[-3:] == [
        TurnCancelled(turn=1),
        TurnStarted(turn=2),
        StateChanged(turn=2, state=State.PREPARING, last_seq=len(harness.log)),
    ]
    assert harness.effects[-1] == CallModel(ModelRef(2, 1))
    assert Finish() not in harness.effects, "it never comes to rest in between"


def test_an_interrupted_answer_keeps_its_text_before_the_message_that_cut_it_off() -> None:
    harness = streaming()
    partial = Partial(message_id="m", content=text("Once upon"), model="claude")

    harness.feed(UserMessage(content=text("no"), on_busy="interrupt", principal="ann", partial=partial))

    kept = AssistantMsg(
        turn=1,
        principal="ann",
        message_id="m",
        step=1,
        content=text("Once upon"),
        status="cancelled",
        model="claude",
    )
    assert harness.events[1] == kept
    assert isinstance(harness.events[2], UserMsg)
    assert harness.effects == [StopModel(ModelRef(1, 1)), CallModel(ModelRef(2, 1))]


def test_interrupt_stops_a_tool() -> None:
    harness = executing()
    harness.say("no", on_busy="interrupt")
    stopped, model_call = harness.effects
    assert isinstance(stopped, StopTools)
    assert stopped.tool_call_ids == ("a",)
    assert model_call == CallModel(ModelRef(2, 1))
    assert (harness.result("a").status, harness.result("a").content) == ("cancelled", "[cancelled]")


def test_interrupt_tells_a_waiting_call_why_there_is_no_answer() -> None:
    harness = awaiting()
    harness.say("no", on_busy="interrupt")
    assert harness.effects == [DisarmExpiry("g"), CallModel(ModelRef(2, 1))]
    assert harness.result("g").content == "cancelled: another message came in"


def test_an_interrupt_takes_along_what_its_sender_has_queued() -> None:
    harness = queued(streaming())

    harness.say("now", on_busy="interrupt")

    assert [(e.turn, e.step) for e in harness.events if isinstance(e, UserMsg)] == [(1, 1), (2, 1), (2, 1)]
    assert harness.machine.facts.queued == 0


def test_an_interrupt_overtakes_no_message_of_another_person() -> None:
    harness = queued(streaming())

    harness.say("now", on_busy="interrupt", principal="bob")

    assert (harness.machine.facts.turn, harness.machine.facts.principal) == (2, "ann")
    harness.answer()
    assert (harness.machine.facts.turn, harness.machine.facts.principal) == (3, "bob")
    harness.answer()
    check_at_rest(harness.log)


@BUSY_STATES
def test_a_message_that_steers_the_turn_of_another_person_waits_for_its_own(state: State) -> None:
    harness = BUSY[state](Limits(queued=1))

    harness.say("rather this", on_busy="steer", principal="bob")

    assert harness.state is state
    assert harness.events[-1] == UserMsg(turn=2, principal="bob", content=text("rather this"), step=1)
    refused = harness.say("or that", on_busy="steer", principal="bob").refusal
    assert refused is not None
    assert refused.code == "queue_full", "it counts as one that waits"
    assert harness.say("my own", on_busy="steer").refusal is None


@pytest.mark.parametrize("crash_at", range(13))
def test_a_turn_has_the_messages_of_one_person_in_the_order_in_which_they_came(crash_at: int) -> None:
    """Wherever the process dies: after each message, and in each turn."""
    harness = executing()
    for number, principal in enumerate(["bob", "bob", "cy", None, "bob", "ann", "ann"]):
        policy: OnBusy = "queue" if principal == "ann" or number % 2 else "steer"
        harness.say(str(number), on_busy=policy, principal=principal)
        if number == crash_at:
            harness.crash()
    read = [(event.turn, event.content[0]["text"]) for event in harness.events if isinstance(event, UserMsg)]
    assert read[1:] == [(2, "0"), (2, "1"), (3, "2"), (4, "3"), (5, "4"), (6, "5"), (6, "6")]
    harness.finish_tool("a")
    begun = []
    while harness.state is not State.IDLE:
        if harness.machine.facts.turn == crash_at - 6:
            harness.crash()
        begun.append((harness.machine.facts.turn, harness.machine.facts.principal))
        harness.answer()
    assert begun == [(1, "ann"), (2, "bob"), (3, "cy"), (4, None), (5, "bob"), (6, "ann")]
    check_at_rest(harness.log)


@pytest.mark.parametrize("end", ["completed", "failed", "cancelled"])
def test_queued_messages_become_one_turn_without_a_flicker_to_idle(end: str) -> None:
    harness = queued(queued(streaming()))

    if end == "completed":
        harness.feed(harness.finished())
    elif end == "failed":
        harness.fail_model()
    else:
        harness.feed(Cancel(principal="ann"))

    assert harness.effects[-1] == CallModel(ModelRef(2, 1))
    assert Finish() not in harness.effects
    changes = [event for event in harness.broadcasts if isinstance(event, StateChanged)]
    assert changes == [StateChanged(turn=2, state=State.PREPARING, last_seq=len(harness.log))]
    assert TurnStarted(turn=2) in harness.broadcasts
    harness.answer()
    assert check_at_rest(harness.log).turn == 2


def test_queued_messages_survive_a_crash() -> None:
    harness = queued(executing())
    harness.crash()
    assert harness.machine.facts.queued == 1
    harness.finish_tool("a")
    harness.answer()
    assert harness.machine.facts.turn == 2
    harness.answer()
    check_at_rest(harness.log)


def test_a_steered_message_is_answered_before_the_turn_completes() -> None:
    harness = streaming()
    harness.say("and in French", on_busy="steer")

    harness.feed(harness.finished("an answer that had not read it"))

    assert harness.effects == [CallModel(ModelRef(1, 2))]
    harness.answer("bonjour")
    assert harness.state is State.IDLE
    assert check_at_rest(harness.log).turn == 1


def test_a_steered_message_never_splits_a_batch_of_tools() -> None:
    harness = executing()
    harness.say("quick", on_busy="steer")
    harness.finish_tool("a")
    assert harness.effects == [CallModel(ModelRef(1, 2))]
    harness.answer("as you wish")
    assert harness.state is State.IDLE


def test_steering_still_counts_against_the_bound_of_model_calls() -> None:
    harness = streaming(Limits(model_calls=1))
    harness.say("more", on_busy="steer")
    harness.feed(harness.finished())
    assert harness.events[-1] == TurnEnded(
        turn=1,
        principal="ann",
        outcome="failed",
        reason="model_call_limit",
        detail="The turn was stopped after 1 model calls.",
    )


def test_an_agent_that_starts_itself_in_every_run_stops_at_the_bound() -> None:
    harness = idle(Limits(self_started=3))
    itself = UserMessage(content=text("go on"), origin="agent", on_busy="queue")
    harness.say()
    for _ in range(3):
        harness.feed(itself)
        harness.answer()
    assert harness.machine.facts.self_started == 3

    refused = harness.feed(itself)

    assert refused.refusal == Refusal("self_run_limit", "The agent has started itself 3 times in a row.")
    harness.answer()
    check_at_rest(harness.log)


@pytest.mark.parametrize("origin", ["schedule", "batch"])
def test_the_limit_on_turns_that_an_agent_starts_is_not_for_schedules_and_batches(origin: Origin) -> None:
    harness = idle(Limits(self_started=1))
    sent = UserMessage(content=text("it is time"), origin=origin, on_busy="queue")
    for _ in range(3):
        assert harness.feed(sent).refusal is None
        assert harness.machine.facts.begun_by == origin
        harness.answer()

    assert harness.machine.facts.self_started == 0
    check_at_rest(harness.log)


def test_messages_of_several_origins_begin_a_turn_of_the_one_that_is_nearest_to_people() -> None:
    harness = idle()
    harness.say()
    for origin in ("batch", "user", "schedule", "agent"):
        harness.feed(UserMessage(content=text(origin), origin=origin, on_busy="queue"))  # type: ignore[arg-type]
    assert [waiting.by for waiting in harness.machine.facts.waiting] == ["user"]

    harness.answer()

    assert (harness.machine.facts.begun_by, harness.machine.facts.waiting) == ("user", ())


@pytest.mark.parametrize("on_busy", ["queue", "interrupt"])
def test_a_person_who_speaks_gives_the_agent_its_runs_back(on_busy: OnBusy) -> None:
    harness = idle(Limits(self_started=1))
    itself = UserMessage(content=text("go on"), origin="agent", on_busy="queue")
    harness.feed(itself)

    harness.say(on_busy=on_busy)
    if on_busy == "queue":
        harness.answer()

    assert harness.machine.facts.self_started == 0
    assert harness.feed(itself).refusal is None

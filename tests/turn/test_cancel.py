"""Cancel and stop: from every state the turn ends at once, or is left for the next incarnation."""

from collections.abc import Callable

import pytest

from agents.turn import Refusal, State
from agents.turn.commands import DisarmExpiry, Finish, StopModel, StopTools
from agents.turn.events import AssistantMsg, TurnEnded
from agents.turn.inputs import Cancel, ModelRef, Partial, Recover, Resolve, Stop, UserMessage
from agents.turn.live import StateChanged, ToolCallErrored, TurnCancelled
from tests.support.invariants import check_at_rest
from tests.support.turn_harness import TurnHarness, text
from tests.support.turn_stages import BUSY, awaiting, executing, gated, idle, queued, server, streaming, with_calls

BUSY_STATES = pytest.mark.parametrize("state", BUSY)
LEAVING = Refusal("terminating", "The conversation is moving; send this again.")


def test_there_is_nothing_to_cancel_in_idle() -> None:
    assert idle().feed(Cancel()).refusal == Refusal("not_running", "No turn is running.")


@BUSY_STATES
def test_cancel_ends_the_turn_once(state: State) -> None:
    harness = BUSY[state]()

    harness.feed(Cancel(principal="bob"))

    ended = TurnEnded(turn=1, principal="bob", outcome="cancelled", reason="user_cancelled")
    assert harness.events[-1] == ended
    assert harness.broadcasts[-2:] == [
        StateChanged(turn=1, state=State.IDLE, last_seq=len(harness.log)),
        TurnCancelled(turn=1),
    ]
    assert harness.effects[-1] == Finish()
    assert harness.feed(Cancel()).refusal == Refusal("not_running", "No turn is running.")
    check_at_rest(harness.log)


def test_the_text_so_far_is_kept_and_marked() -> None:
    harness = streaming()
    harness.feed(Cancel(principal="ann", partial=Partial(message_id="m", content=text("Once upon"))))
    kept = harness.events[1]
    assert isinstance(kept, AssistantMsg)
    assert (kept.message_id, kept.status, kept.content) == ("m", "cancelled", text("Once upon"))
    assert harness.effects == [StopModel(ModelRef(1, 1)), Finish()]


def test_running_and_waiting_calls_each_get_their_own_result() -> None:
    harness = with_calls(server("a"), gated("g"), server("b"))

    harness.feed(Cancel(principal="ann"))

    results = {key: (harness.result(key).status, harness.result(key).content) for key in "abg"}
    assert results == {
        "a": ("cancelled", "[cancelled]"),
        "b": ("cancelled", "[cancelled]"),
        "g": ("cancelled", "user cancelled"),
    }
    broadcasts = [event.tool_call_id for event in harness.broadcasts if isinstance(event, ToolCallErrored)]
    assert broadcasts == ["a", "g", "b"]
    stopped = next(effect for effect in harness.effects if isinstance(effect, StopTools))
    assert stopped.tool_call_ids == ("a", "b")
    assert [command.call.tool_call_id for command in stopped.abandoned] == ["a", "b"]
    assert harness.effects == [stopped, DisarmExpiry("g"), Finish()]


def test_cancel_with_queued_messages_goes_straight_to_their_turn() -> None:
    harness = queued(executing())
    harness.feed(Cancel(principal="ann"))
    assert harness.state is State.PREPARING
    harness.feed(Cancel(principal="ann"))
    assert check_at_rest(harness.log).turn == 2


@pytest.mark.parametrize("build", [idle, *BUSY.values()])
def test_stop_leaves_the_log_alone_and_everything_outside_at_rest(build: Callable[[], TurnHarness]) -> None:
    harness = build()
    log = list(harness.log)

    harness.feed(Stop())

    assert harness.log == log
    assert harness.effects[-1] == Finish()
    assert harness.broadcasts == [
        StateChanged(turn=harness.machine.facts.turn, state=State.TERMINATING, last_seq=len(log))
    ]


@pytest.mark.parametrize(
    "question",
    [
        UserMessage(content=text("hello?"), on_busy="queue"),
        Cancel(),
        Resolve(tool_call_id="g", decision="approve"),
    ],
)
def test_one_that_leaves_sends_every_question_on_to_the_next_incarnation(
    question: UserMessage | Cancel | Resolve,
) -> None:
    harness = awaiting()
    harness.feed(Stop())
    assert harness.feed(question).refusal == LEAVING

    harness.crash()

    assert harness.feed(question).refusal is None


def test_one_that_leaves_ignores_what_comes_in_late() -> None:
    harness = executing()
    harness.feed(Stop())
    for signal in (Stop(), Recover()):
        ignored = harness.feed(signal)
        assert (ignored.commands, ignored.refusal) == ((), None)
    harness.finish_tool("a")
    assert harness.last.commands == ()

"""Cancel and stop: from every state the turn ends at once, or is left for the next incarnation."""

from collections.abc import Callable

import pytest

from agents.turn import Refusal, State
from agents.turn.commands import DisarmExpiry, Finish, StopModel, StopTools
from agents.turn.events import AssistantMsg, TurnEnded
from agents.turn.inputs import Cancel, ModelRef, Partial, Recover, Resolve, Stop, UserMessage
from agents.turn.live import StateChanged, ToolCallErrored, TurnCancelled
from tests.support.invariants import check_at_rest
from tests.support.scene import Scene, text
from tests.support.stages import BUSY, awaiting, executing, gated, idle, queued, server, streaming, with_calls

BUSY_STATES = pytest.mark.parametrize("state", BUSY)
LEAVING = Refusal("terminating", "The conversation is moving; send this again.")


def test_there_is_nothing_to_cancel_in_idle() -> None:
    assert idle().feed(Cancel()).refusal == Refusal("not_running", "No turn is running.")


@BUSY_STATES
def test_cancel_ends_the_turn_once(state: State) -> None:
    scene = BUSY[state]()

    scene.feed(Cancel(principal="bob"))

    ended = TurnEnded(turn=1, principal="bob", outcome="cancelled", reason="user_cancelled")
    assert scene.events[-1] == ended
    assert scene.told[-2:] == [
        StateChanged(turn=1, state=State.IDLE, last_seq=len(scene.log)),
        TurnCancelled(turn=1),
    ]
    assert scene.effects[-1] == Finish()
    assert scene.feed(Cancel()).refusal == Refusal("not_running", "No turn is running.")
    check_at_rest(scene.log)


def test_the_text_so_far_is_kept_and_marked() -> None:
    scene = streaming()
    scene.feed(Cancel(principal="ann", partial=Partial(message_id="m", content=text("Once upon"))))
    kept = scene.events[1]
    assert isinstance(kept, AssistantMsg)
    assert (kept.message_id, kept.status, kept.content) == ("m", "cancelled", text("Once upon"))
    assert scene.effects == [StopModel(ModelRef(1, 1)), Finish()]


def test_running_and_waiting_calls_each_get_their_own_result() -> None:
    scene = with_calls(server("a"), gated("g"), server("b"))

    scene.feed(Cancel(principal="ann"))

    results = {key: (scene.result(key).status, scene.result(key).content) for key in "abg"}
    assert results == {
        "a": ("cancelled", "[cancelled]"),
        "b": ("cancelled", "[cancelled]"),
        "g": ("cancelled", "user cancelled"),
    }
    told = [event.tool_call_id for event in scene.told if isinstance(event, ToolCallErrored)]
    assert told == ["a", "g", "b"]
    stopped = next(effect for effect in scene.effects if isinstance(effect, StopTools))
    assert stopped.tool_call_ids == ("a", "b")
    assert [command.call.tool_call_id for command in stopped.abandoned] == ["a", "b"]
    assert scene.effects == [stopped, DisarmExpiry("g"), Finish()]


def test_cancel_with_queued_messages_goes_straight_to_their_turn() -> None:
    scene = queued(executing())
    scene.feed(Cancel(principal="ann"))
    assert scene.state is State.PREPARING
    scene.feed(Cancel(principal="ann"))
    assert check_at_rest(scene.log).turn == 2


@pytest.mark.parametrize("build", [idle, *BUSY.values()])
def test_stop_leaves_the_log_alone_and_everything_outside_at_rest(build: Callable[[], Scene]) -> None:
    scene = build()
    log = list(scene.log)

    scene.feed(Stop())

    assert scene.log == log
    assert scene.effects[-1] == Finish()
    assert scene.told == [StateChanged(turn=scene.machine.facts.turn, state=State.TERMINATING, last_seq=len(log))]


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
    scene = awaiting()
    scene.feed(Stop())
    assert scene.feed(question).refusal == LEAVING

    scene.crash()

    assert scene.feed(question).refusal is None


def test_one_that_leaves_ignores_what_comes_in_late() -> None:
    scene = executing()
    scene.feed(Stop())
    for signal in (Stop(), Recover()):
        ignored = scene.feed(signal)
        assert (ignored.commands, ignored.refusal) == ((), None)
    scene.finish_tool("a")
    assert scene.last.commands == ()

"""An example for each transition of the table: the table promises nothing that cannot happen."""

from collections.abc import Callable

import pytest

from agents.turn import TRANSITIONS, Input, Limits, Signal, State
from agents.turn.inputs import (
    Cancel,
    Expire,
    ModelFailed,
    ModelInterrupted,
    ModelStarted,
    Patch,
    Patched,
    Question,
    RecordDelivery,
    Recover,
    Resolve,
    Stop,
    Summarised,
    ToolFinished,
    ToolInterrupted,
)
from agents.turn.inputs import UserMessage as Message
from tests.support.turn_harness import TurnHarness, text
from tests.support.turn_stages import (
    EXPIRES,
    ask,
    asking,
    awaiting,
    executing,
    gated,
    idle,
    preparing,
    queued,
    server,
    streaming,
    with_calls,
)

ONE_CALL = Limits(model_calls=1)


def started(harness: TurnHarness) -> Input:
    return ModelStarted(ref=harness.model_call)


def finished(harness: TurnHarness) -> Input:
    return harness.finished()


def finished_with_server_call(harness: TurnHarness) -> Input:
    return harness.finished("", server("a"))


def finished_with_gated_call(harness: TurnHarness) -> Input:
    return harness.finished("", gated("g"))


def failed(harness: TurnHarness) -> Input:
    return ModelFailed(ref=harness.model_call, reason="overloaded", detail="The model is busy.")


def interrupted(harness: TurnHarness) -> Input:
    return ModelInterrupted(ref=harness.model_call, asks=(ask("q"),))


def tool_interrupted(_: TurnHarness) -> Input:
    return ToolInterrupted(
        turn=1, tool_call_id="a", question=Question(kind="approval", prompt="Sure?", expires_at=EXPIRES)
    )


def unanswered(_: TurnHarness) -> Input:
    return Expire(tool_call_id="a", now=EXPIRES)


def patched(_: TurnHarness) -> Input:
    return Patched(patch=Patch(source="notes", changes={"n": 1}))


def summarised(_: TurnHarness) -> Input:
    return Summarised(text="All was said.", through_turn=1, after=3, base={})


def delivered(_: TurnHarness) -> Input:
    return RecordDelivery(chain="k1", channel="telegram", turn=1)


def tool_finished(_: TurnHarness) -> Input:
    return ToolFinished(turn=1, tool_call_id="a", content="done")


def approved(_: TurnHarness) -> Input:
    return Resolve(tool_call_id="g", decision="approve")


def rejected(_: TurnHarness) -> Input:
    return Resolve(tool_call_id="g", decision="reject")


def expired(_: TurnHarness) -> Input:
    return Expire(tool_call_id="g", now=EXPIRES)


def message(_: TurnHarness) -> Input:
    return Message(content=text("wait"), on_busy="queue", principal="ann")


def interruption(_: TurnHarness) -> Input:
    return Message(content=text("no, this"), on_busy="interrupt", principal="ann")


def cancel(_: TurnHarness) -> Input:
    return Cancel(principal="ann")


def recover(_: TurnHarness) -> Input:
    return Recover()


def stop(_: TurnHarness) -> Input:
    return Stop()


def lost(harness: TurnHarness) -> TurnHarness:
    """The log of `harness` in a new incarnation that has not recovered yet."""
    return TurnHarness(harness.limits, harness.log)


def after_a_turn() -> TurnHarness:
    harness = streaming()
    harness.feed(harness.finished())
    return harness


Example = tuple[Callable[[], TurnHarness], Callable[[TurnHarness], Input], State]

S = State
EXAMPLES: list[Example] = [
    (idle, message, S.PREPARING),
    (idle, recover, S.IDLE),
    (lambda: lost(preparing()), recover, S.PREPARING),
    (lambda: lost(executing()), recover, S.EXECUTING_TOOLS),
    (lambda: lost(awaiting()), recover, S.AWAITING_INPUT),
    (idle, patched, S.IDLE),
    (after_a_turn, summarised, S.IDLE),
    (after_a_turn, delivered, S.IDLE),
    (idle, stop, S.TERMINATING),
    (preparing, started, S.STREAMING),
    (preparing, failed, S.IDLE),
    (lambda: queued(preparing()), failed, S.PREPARING),
    (preparing, message, S.PREPARING),
    (preparing, cancel, S.IDLE),
    (lambda: queued(preparing()), cancel, S.PREPARING),
    (preparing, interrupted, S.AWAITING_INPUT),
    (preparing, patched, S.PREPARING),
    (preparing, summarised, S.PREPARING),
    (preparing, delivered, S.PREPARING),
    (preparing, stop, S.TERMINATING),
    (streaming, finished_with_server_call, S.EXECUTING_TOOLS),
    (streaming, finished_with_gated_call, S.AWAITING_INPUT),
    (streaming, finished, S.IDLE),
    (lambda: queued(streaming()), finished, S.PREPARING),
    (streaming, failed, S.IDLE),
    (lambda: queued(streaming()), failed, S.PREPARING),
    (streaming, message, S.STREAMING),
    (streaming, interruption, S.PREPARING),
    (streaming, cancel, S.IDLE),
    (lambda: queued(streaming()), cancel, S.PREPARING),
    (streaming, patched, S.STREAMING),
    (streaming, summarised, S.STREAMING),
    (streaming, delivered, S.STREAMING),
    (streaming, stop, S.TERMINATING),
    (lambda: with_calls(server("a"), server("b")), tool_finished, S.EXECUTING_TOOLS),
    (lambda: with_calls(server("a"), gated("g")), tool_finished, S.AWAITING_INPUT),
    (executing, tool_finished, S.PREPARING),
    (lambda: executing(ONE_CALL), tool_finished, S.IDLE),
    (lambda: with_calls(server("a"), gated("g")), approved, S.EXECUTING_TOOLS),
    (lambda: with_calls(server("a"), gated("g")), expired, S.EXECUTING_TOOLS),
    (executing, message, S.EXECUTING_TOOLS),
    (executing, interruption, S.PREPARING),
    (executing, cancel, S.IDLE),
    (lambda: queued(executing()), cancel, S.PREPARING),
    (executing, tool_interrupted, S.AWAITING_INPUT),
    (lambda: with_calls(server("a"), server("b")), tool_interrupted, S.EXECUTING_TOOLS),
    (executing, patched, S.EXECUTING_TOOLS),
    (executing, summarised, S.EXECUTING_TOOLS),
    (executing, delivered, S.EXECUTING_TOOLS),
    (executing, stop, S.TERMINATING),
    (awaiting, approved, S.EXECUTING_TOOLS),
    (lambda: with_calls(gated("g"), gated("h")), rejected, S.AWAITING_INPUT),
    (awaiting, rejected, S.PREPARING),
    (lambda: awaiting(ONE_CALL), rejected, S.IDLE),
    (lambda: with_calls(gated("g"), gated("h")), expired, S.AWAITING_INPUT),
    (awaiting, expired, S.PREPARING),
    (lambda: awaiting(ONE_CALL), expired, S.IDLE),
    (awaiting, message, S.AWAITING_INPUT),
    (awaiting, interruption, S.PREPARING),
    (awaiting, cancel, S.IDLE),
    (lambda: queued(awaiting()), cancel, S.PREPARING),
    (asking, unanswered, S.EXECUTING_TOOLS),
    (awaiting, patched, S.AWAITING_INPUT),
    (awaiting, summarised, S.AWAITING_INPUT),
    (awaiting, delivered, S.AWAITING_INPUT),
    (awaiting, stop, S.TERMINATING),
]


def name(example: Example) -> str:
    build, happen, target = example
    harness = build()
    return f"{harness.state}-{happen(harness).signal}-{target}"


@pytest.mark.parametrize("example", EXAMPLES, ids=name)
def test_example(example: Example) -> None:
    build, happen, target = example
    harness = build()

    harness.feed(happen(harness))

    assert harness.state is target
    assert harness.last.commands, "it was not ignored"


def test_every_transition_of_the_table_has_its_example() -> None:
    promised = {
        (state, signal, target)
        for state, row in TRANSITIONS.items()
        for signal, targets in row.items()
        for target in targets
    }
    shown: set[tuple[State, Signal, State]] = set()
    for build, happen, target in EXAMPLES:
        harness = build()
        shown.add((harness.state, happen(harness).signal, target))

    assert shown == promised

"""Every transition of the table, one example each: the table promises nothing that cannot happen."""

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
    Recover,
    Resolve,
    Stop,
    Summarised,
    ToolFinished,
    ToolInterrupted,
)
from agents.turn.inputs import UserMessage as Message
from tests.support.scene import Scene, text
from tests.support.stages import (
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


def started(scene: Scene) -> Input:
    return ModelStarted(ref=scene.asked)


def finished(scene: Scene) -> Input:
    return scene.finished()


def finished_with_server_call(scene: Scene) -> Input:
    return scene.finished("", server("a"))


def finished_with_gated_call(scene: Scene) -> Input:
    return scene.finished("", gated("g"))


def failed(scene: Scene) -> Input:
    return ModelFailed(ref=scene.asked, reason="overloaded", detail="The model is busy.")


def interrupted(scene: Scene) -> Input:
    return ModelInterrupted(ref=scene.asked, asks=(ask("q"),))


def tool_interrupted(_: Scene) -> Input:
    return ToolInterrupted(
        turn=1, tool_call_id="a", question=Question(kind="approval", prompt="Sure?", expires_at=EXPIRES)
    )


def unanswered(_: Scene) -> Input:
    return Expire(tool_call_id="a", now=EXPIRES)


def patched(_: Scene) -> Input:
    return Patched(patch=Patch(source="notes", changes={"n": 1}))


def summarised(_: Scene) -> Input:
    return Summarised(text="All was said.", through_turn=1, after=3, base={})


def tool_finished(_: Scene) -> Input:
    return ToolFinished(turn=1, tool_call_id="a", content="done")


def approved(_: Scene) -> Input:
    return Resolve(tool_call_id="g", decision="approve")


def rejected(_: Scene) -> Input:
    return Resolve(tool_call_id="g", decision="reject")


def expired(_: Scene) -> Input:
    return Expire(tool_call_id="g", now=EXPIRES)


def message(_: Scene) -> Input:
    return Message(content=text("wait"), on_busy="queue", principal="ann")


def interruption(_: Scene) -> Input:
    return Message(content=text("no, this"), on_busy="interrupt", principal="ann")


def cancel(_: Scene) -> Input:
    return Cancel(principal="ann")


def recover(_: Scene) -> Input:
    return Recover()


def stop(_: Scene) -> Input:
    return Stop()


def lost(scene: Scene) -> Scene:
    """The log of `scene` in a fresh incarnation that has not recovered yet."""
    return Scene(scene.limits, scene.log)


def after_a_turn() -> Scene:
    scene = streaming()
    scene.feed(scene.finished())
    return scene


Example = tuple[Callable[[], Scene], Callable[[Scene], Input], State]

S = State
EXAMPLES: list[Example] = [
    (idle, message, S.PREPARING),
    (idle, recover, S.IDLE),
    (lambda: lost(preparing()), recover, S.PREPARING),
    (lambda: lost(executing()), recover, S.EXECUTING_TOOLS),
    (lambda: lost(awaiting()), recover, S.AWAITING_INPUT),
    (idle, patched, S.IDLE),
    (after_a_turn, summarised, S.IDLE),
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
    (awaiting, stop, S.TERMINATING),
]


def name(example: Example) -> str:
    build, happen, target = example
    scene = build()
    return f"{scene.state}-{happen(scene).signal}-{target}"


@pytest.mark.parametrize("example", EXAMPLES, ids=name)
def test_example(example: Example) -> None:
    build, happen, target = example
    scene = build()

    scene.feed(happen(scene))

    assert scene.state is target
    assert scene.last.commands, "it was not ignored"


def test_every_transition_of_the_table_has_its_example() -> None:
    promised = {
        (state, signal, target)
        for state, row in TRANSITIONS.items()
        for signal, targets in row.items()
        for target in targets
    }
    shown: set[tuple[State, Signal, State]] = set()
    for build, happen, target in EXAMPLES:
        scene = build()
        shown.add((scene.state, happen(scene).signal, target))

    assert shown == promised

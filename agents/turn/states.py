"""The states of a turn and every transition between them, as data, and the picture of it for the docs."""

from collections.abc import Mapping
from enum import StrEnum


class State(StrEnum):
    """What a conversation is doing; exactly one at a time."""

    IDLE = "idle"
    PREPARING = "preparing"
    STREAMING = "streaming"
    EXECUTING_TOOLS = "executing_tools"
    AWAITING_INPUT = "awaiting_input"
    TERMINATING = "terminating"


class ExitReason(StrEnum):
    """Why an incarnation has gone; the store keeps it, and logs, the API and the page say it."""

    IDLE = "idle"
    """It rested for as long as its kind of rest may last."""
    MEMORY = "memory"
    """Memory was short."""
    ROOM = "room"
    """Its host was full, and another conversation needed a place."""
    MOVED = "moved"
    """To a process of its own, or back."""
    DRAINED = "drained"
    """Its host was asked to leave, as a rule since its node goes."""
    REDEPLOYED = "redeployed"
    """There is newer code."""
    SHUTDOWN = "shutdown"
    """The program that had opened it has stopped it."""
    ABORTED = "aborted"
    """An operator has ended its turn."""
    SUPERSEDED = "superseded"
    """A newer incarnation claimed the log while it was alive."""
    FAILED = "failed"
    """An error of its own, which the logs tell."""
    NOT_OPENED = "not_opened"
    """It could not begin: its agent is not served, or its log cannot be read."""
    CRASH = "crash"
    """It said nothing: its process or its node died."""


class Signal(StrEnum):
    """The kinds of input a state may react to."""

    USER_MESSAGE = "user_message"
    MODEL_STARTED = "model_started"
    MODEL_INTERRUPTED = "model_interrupted"
    MODEL_FINISHED = "model_finished"
    MODEL_FAILED = "model_failed"
    TOOL_FINISHED = "tool_finished"
    TOOL_INTERRUPTED = "tool_interrupted"
    RESOLVE = "resolve"
    EXPIRE = "expire"
    CANCEL = "cancel"
    PATCHED = "patched"
    SUMMARISED = "summarised"
    RECORD_DELIVERY = "record_delivery"
    RECOVER = "recover"
    STOP = "stop"


_IDLE, _PREPARING, _STREAMING = State.IDLE, State.PREPARING, State.STREAMING
_EXECUTING, _AWAITING, _TERMINATING = State.EXECUTING_TOOLS, State.AWAITING_INPUT, State.TERMINATING

# A turn that ends leads to rest, or straight to the next turn when messages are queued.
_REST = frozenset({_IDLE, _PREPARING})
_STOPPED = frozenset({_TERMINATING})

TRANSITIONS: Mapping[State, Mapping[Signal, frozenset[State]]] = {
    _IDLE: {
        Signal.USER_MESSAGE: frozenset({_PREPARING}),
        Signal.RECOVER: frozenset({_IDLE, _PREPARING, _EXECUTING, _AWAITING}),
        Signal.PATCHED: frozenset({_IDLE}),
        Signal.SUMMARISED: frozenset({_IDLE}),
        Signal.RECORD_DELIVERY: frozenset({_IDLE}),
        Signal.STOP: _STOPPED,
    },
    _PREPARING: {
        Signal.MODEL_STARTED: frozenset({_STREAMING}),
        Signal.MODEL_INTERRUPTED: frozenset({_AWAITING}),
        Signal.MODEL_FAILED: _REST,
        Signal.USER_MESSAGE: frozenset({_PREPARING}),
        Signal.CANCEL: _REST,
        Signal.PATCHED: frozenset({_PREPARING}),
        Signal.SUMMARISED: frozenset({_PREPARING}),
        Signal.RECORD_DELIVERY: frozenset({_PREPARING}),
        Signal.STOP: _STOPPED,
    },
    _STREAMING: {
        Signal.MODEL_FINISHED: frozenset({_EXECUTING, _AWAITING}) | _REST,
        Signal.MODEL_FAILED: _REST,
        Signal.USER_MESSAGE: frozenset({_STREAMING, _PREPARING}),
        Signal.CANCEL: _REST,
        Signal.PATCHED: frozenset({_STREAMING}),
        Signal.SUMMARISED: frozenset({_STREAMING}),
        Signal.RECORD_DELIVERY: frozenset({_STREAMING}),
        Signal.STOP: _STOPPED,
    },
    _EXECUTING: {
        Signal.TOOL_FINISHED: frozenset({_EXECUTING, _AWAITING}) | _REST,
        Signal.TOOL_INTERRUPTED: frozenset({_EXECUTING, _AWAITING}),
        Signal.RESOLVE: frozenset({_EXECUTING}),
        Signal.EXPIRE: frozenset({_EXECUTING}),
        Signal.USER_MESSAGE: frozenset({_EXECUTING, _PREPARING}),
        Signal.CANCEL: _REST,
        Signal.PATCHED: frozenset({_EXECUTING}),
        Signal.SUMMARISED: frozenset({_EXECUTING}),
        Signal.RECORD_DELIVERY: frozenset({_EXECUTING}),
        Signal.STOP: _STOPPED,
    },
    _AWAITING: {
        Signal.RESOLVE: frozenset({_EXECUTING, _AWAITING}) | _REST,
        Signal.EXPIRE: frozenset({_EXECUTING, _AWAITING}) | _REST,
        Signal.USER_MESSAGE: frozenset({_AWAITING, _PREPARING}),
        Signal.CANCEL: _REST,
        Signal.PATCHED: frozenset({_AWAITING}),
        Signal.SUMMARISED: frozenset({_AWAITING}),
        Signal.RECORD_DELIVERY: frozenset({_AWAITING}),
        Signal.STOP: _STOPPED,
    },
    _TERMINATING: {},
}


def draw_diagram() -> str:
    """The table as a Mermaid state diagram; a test compares it with the picture in docs/turn.md."""
    lines = ["stateDiagram-v2", f"    [*] --> {State.IDLE.value}"]
    for state, row in TRANSITIONS.items():
        for target in State:
            signals = [signal.value for signal, targets in row.items() if target in targets]
            if signals:
                lines.append(f"    {state.value} --> {target.value}: {', '.join(signals)}")
    lines.append(f"    {State.TERMINATING.value} --> [*]")
    return "\n".join(lines) + "\n"

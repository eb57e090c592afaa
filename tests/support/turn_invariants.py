"""What every step of the turn machine keeps; checked after each input of each test."""

from collections.abc import Mapping, Sequence
from typing import Any

from agents.turn import TRANSITIONS, Event, Input, Logged, Machine, State, StepResult, fold
from agents.turn.commands import Append, Broadcast, CallModel, Command, RunTool
from agents.turn.events import Resolution, Suspension, ToolCall, ToolResult, UserMsg
from agents.turn.inputs import ModelRef
from agents.turn.live import ToolCallErrored, ToolCallResolved

ASKING = (State.PREPARING, State.STREAMING)


def appended(commands: Sequence[Command]) -> tuple[Event, ...]:
    return tuple(event for command in commands if isinstance(command, Append) for event in command.events)


def check_step(before: Machine, happened: Input, step: StepResult, log: Sequence[Logged]) -> None:
    """`log` is the log as it stands when the step's append is durable."""
    if step.refusal is not None or not step.commands:
        assert step.machine == before, "a refused or ignored input changes nothing"
        assert step.commands == ()
        return
    assert step.machine.state in TRANSITIONS[before.state][happened.signal]
    assert fold(log) == step.machine.facts
    check_order(step.commands)
    check_state(step.machine)
    check_effects(step.commands, log)
    check_results_broadcast(step.commands)


def check_order(commands: Sequence[Command]) -> None:
    """At most one append, and first; then the broadcasts, then the effects."""
    ranks = [0 if isinstance(c, Append) else 1 if isinstance(c, Broadcast) else 2 for c in commands]
    assert ranks == sorted(ranks)
    assert ranks.count(0) <= 1
    assert all(command.events for command in commands if isinstance(command, Append))


def check_state(machine: Machine) -> None:
    """The state fits what runs, and a new incarnation would begin with the log in the same state."""
    facts, state = machine.facts, machine.state
    assert (machine.model is not None) == (state in ASKING)
    if machine.model is not None:
        assert machine.model == ModelRef(facts.turn, facts.step + 1, machine.model.attempt)
    if state is not State.TERMINATING:
        assert facts.phase is (State.PREPARING if state is State.STREAMING else state)


def check_effects(commands: Sequence[Command], log: Sequence[Logged]) -> None:
    """A tool runs only for a logged open call, as it was decided; the model is called when no call is open."""
    for command in commands:
        if isinstance(command, RunTool):
            assert (command.arguments, command.principal) == _decided(command.call, log)
        elif isinstance(command, CallModel):
            assert not fold(log).calls


def check_results_broadcast(commands: Sequence[Command]) -> None:
    logged = [(e.tool_call_id, e.status) for e in appended(commands) if isinstance(e, ToolResult)]
    broadcasts = [
        (command.event.tool_call_id, command.event.status)
        for command in commands
        if isinstance(command, Broadcast) and isinstance(command.event, ToolCallResolved | ToolCallErrored)
    ]
    assert broadcasts == logged


def _decided(call: ToolCall, log: Sequence[Logged]) -> tuple[Mapping[str, Any], str | None]:
    """The arguments, as proposed or edited, and the principal with which the call runs by `log`."""
    events = [logged.event for logged in log]
    assert call in events
    results = [e for e in events if isinstance(e, ToolResult) and e.tool_call_id == call.tool_call_id]
    assert not results, "a tool runs although its call has a result"
    model_call = next((i for i, e in enumerate(events) if _resumes(e, call)), len(events))
    decisions = (e for e in events[:model_call] if isinstance(e, Resolution))  # later ones answer the tool itself
    answers = [e for e in decisions if e.tool_call_id == call.tool_call_id]
    senders = [e.principal for e in events if isinstance(e, UserMsg) and e.turn == call.turn and e.step == 1]
    if not answers:
        return call.arguments, senders[-1]
    assert answers[-1].decision in ("approve", "edit")
    edited = answers[-1].arguments
    return (call.arguments if edited is None else edited), answers[-1].principal or senders[-1]


def _resumes(event: Event, call: ToolCall) -> bool:
    return isinstance(event, Suspension) and event.tool_call_id == call.tool_call_id and event.resumes

"""One step in the making: each appended event moves the facts at once, effects wait behind the append."""

from dataclasses import dataclass, field, replace

from agents.turn.commands import (
    Append,
    ArmExpiry,
    Broadcast,
    CallModel,
    Command,
    DisarmExpiry,
    Finish,
    RunTool,
    StopModel,
    StopTools,
)
from agents.turn.events import Event
from agents.turn.facts import Facts, OpenCall, apply
from agents.turn.inputs import ModelRef
from agents.turn.live import LiveEvent, StateChanged
from agents.turn.states import State

Effect = CallModel | StopModel | RunTool | StopTools | ArmExpiry | DisarmExpiry | Finish


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds against endless turns.

    `model_calls` are those of one turn, `self_started` the turns in a row that the agent may start itself.
    `blank_answers` is how often the model is asked again after an empty answer. `queued` is how many messages may
    wait for the end of a turn, and how many for its next model call.
    """

    model_calls: int = 50
    self_started: int = 10
    blank_answers: int = 2
    queued: int = 100


@dataclass(frozen=True, slots=True)
class Machine:
    """A conversation at one moment: the durable `facts`, and what this incarnation is doing.

    `model` names the running call of the model, None when there is none.
    """

    facts: Facts = field(default_factory=Facts)
    state: State = State.IDLE
    model: ModelRef | None = None
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class Refusal:
    """The input is illegal in this state: `code` is stable, `detail` is for people. Nothing has changed."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class StepResult:
    """What an input leads to. Without commands and without a refusal the input was stale and is ignored."""

    machine: Machine
    commands: tuple[Command, ...] = ()
    refusal: Refusal | None = None


class Draft:
    """Collects what one input causes, and orders it: the append, then the broadcasts, then the effects."""

    def __init__(self, machine: Machine) -> None:
        self.before = machine
        self.facts = machine.facts
        self.state = machine.state
        self.model = machine.model
        self.limits = machine.limits
        self._events: list[Event] = []
        self._live: list[LiveEvent] = []
        self._effects: list[Effect] = []

    def append(self, event: Event) -> int:
        """Add `event` to the append and move the facts by it; return its seq."""
        seq = self.facts.last_seq + 1
        self.facts = apply(self.facts, event, seq)
        self._events.append(event)
        return seq

    def broadcast(self, event: LiveEvent) -> None:
        self._live.append(event)

    def add_effect(self, effect: Effect) -> None:
        self._effects.append(effect)

    def enter(self, state: State) -> None:
        """Change the state; watchers are told when the state or its turn is another one than before."""
        moved = state is not self.state or self.facts.turn != self.before.facts.turn
        self.state = state
        if moved:
            self.broadcast(StateChanged(turn=self.facts.turn, state=state, last_seq=self.facts.last_seq))

    def call_model(self, attempt: int = 1) -> None:
        self.model = ModelRef(self.facts.turn, self.facts.step + 1, attempt)
        self.add_effect(CallModel(self.model))
        self.enter(State.PREPARING)

    def stop_model(self) -> None:
        if self.model is not None:
            self.add_effect(StopModel(self.model))
            self.model = None

    def stop_tools(self, *, abandoned: bool) -> None:
        """Stop the tools that run and disarm the expiry of the calls that wait; the log is not touched.

        `abandoned`: the calls are over for good, so that tools may undo what they have started elsewhere.
        """
        begun = {key: call for key, call in self.facts.calls.items() if call.suspension is None or call.interrupted}
        if begun:
            abandoned_calls = tuple(map(self._run, begun.values())) if abandoned else ()
            self.add_effect(StopTools(tuple(self.facts.dispatched), abandoned_calls))
        for tool_call_id in self.facts.suspended:
            self.add_effect(DisarmExpiry(tool_call_id))

    def run_tool(self, call: OpenCall) -> None:
        """Run an open call in the name of the person who approved it, or else of the sender of the message."""
        self.add_effect(self._run(call))

    def arm_expiry(self, call: OpenCall) -> None:
        if call.suspension is not None and call.suspension.expires_at is not None:
            self.add_effect(ArmExpiry(call.call.tool_call_id, call.suspension.expires_at))

    def _run(self, call: OpenCall) -> RunTool:
        principal = call.approver or self.facts.principal
        return RunTool(call.call, call.arguments, principal, call.interrupted, call.resolution)

    def result(self) -> StepResult:
        machine = replace(self.before, facts=self.facts, state=self.state, model=self.model)
        append = (Append(tuple(self._events)),) if self._events else ()
        return StepResult(machine, (*append, *(Broadcast(event) for event in self._live), *self._effects))

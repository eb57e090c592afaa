"""One step in the making: facts move with every event noted, effects wait behind the append."""

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
    """Bounds against endless turns: `blank_answers` is how often an empty answer is asked for again.

    `queued` is how many messages may wait for the end of a turn, or for its next model call.
    """

    model_calls: int = 50
    self_started: int = 10
    blank_answers: int = 2
    queued: int = 100


@dataclass(frozen=True, slots=True)
class Machine:
    """A conversation at one moment: the durable `facts`, and what this incarnation has under way.

    `model` names the model call under way, None when there is none.
    """

    facts: Facts = field(default_factory=Facts)
    state: State = State.IDLE
    model: ModelRef | None = None
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An input that is illegal here: `code` is stable, `detail` is for people. Nothing has changed."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class StepResult:
    """What an input leads to; neither commands nor refusal means that it was stale and is ignored."""

    machine: Machine
    commands: tuple[Command, ...] = ()
    refusal: Refusal | None = None


class Draft:
    """Collects what one input causes and puts it in order: append, broadcasts, effects."""

    def __init__(self, machine: Machine) -> None:
        self.before = machine
        self.facts = machine.facts
        self.state = machine.state
        self.model = machine.model
        self.limits = machine.limits
        self._events: list[Event] = []
        self._live: list[LiveEvent] = []
        self._effects: list[Effect] = []

    def note(self, event: Event) -> int:
        """Write `event` down and move the facts by it; return its seq."""
        seq = self.facts.last_seq + 1
        self.facts = apply(self.facts, event, seq)
        self._events.append(event)
        return seq

    def tell(self, event: LiveEvent) -> None:
        self._live.append(event)

    def do(self, effect: Effect) -> None:
        self._effects.append(effect)

    def enter(self, state: State) -> None:
        """Change the state, and say so when it is another one or belongs to another turn."""
        moved = state is not self.state or self.facts.turn != self.before.facts.turn
        self.state = state
        if moved:
            self.tell(StateChanged(turn=self.facts.turn, state=state, last_seq=self.facts.last_seq))

    def call_model(self, attempt: int = 1) -> None:
        self.model = ModelRef(self.facts.turn, self.facts.step + 1, attempt)
        self.do(CallModel(self.model))
        self.enter(State.PREPARING)

    def stop_model(self) -> None:
        if self.model is not None:
            self.do(StopModel(self.model))
            self.model = None

    def stop_calls(self, *, abandoned: bool) -> None:
        """Stop what executes and forget what waits; the log is not touched."""
        begun = {key: call for key, call in self.facts.calls.items() if call.suspension is None or call.interrupted}
        if begun:
            given_up = tuple(map(self._run, begun.values())) if abandoned else ()
            self.do(StopTools(tuple(self.facts.dispatched), given_up))
        for tool_call_id in self.facts.suspended:
            self.do(DisarmExpiry(tool_call_id))

    def run(self, call: OpenCall) -> None:
        """Dispatch an open call, for the person who approved it or else for the one who sent the message."""
        self.do(self._run(call))

    def arm(self, call: OpenCall) -> None:
        if call.suspension is not None and call.suspension.expires_at is not None:
            self.do(ArmExpiry(call.call.tool_call_id, call.suspension.expires_at))

    def _run(self, call: OpenCall) -> RunTool:
        principal = call.approver or self.facts.principal
        return RunTool(call.call, call.arguments, principal, call.interrupted, call.resolution)

    def step(self) -> StepResult:
        machine = replace(self.before, facts=self.facts, state=self.state, model=self.model)
        append = (Append(tuple(self._events)),) if self._events else ()
        return StepResult(machine, (*append, *(Broadcast(event) for event in self._live), *self._effects))

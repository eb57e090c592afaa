"""A harness for the turn machine: it performs the commands on plain values, and checks the invariants at each input."""

from dataclasses import dataclass, field

from agents.turn import Event, Input, Limits, Logged, State, StepResult, revive, step
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
from agents.turn.events import Block, ToolResult
from agents.turn.facts import fold
from agents.turn.inputs import (
    Expire,
    ModelFailed,
    ModelFinished,
    ModelInterrupted,
    ModelRef,
    ModelStarted,
    OnBusy,
    ProposedCall,
    Recover,
    Resolve,
    ToolFinished,
    ToolInterrupted,
    UserMessage,
)
from agents.turn.live import LiveEvent
from tests.support.invariants import check_log
from tests.support.turn_invariants import appended, check_step


def text(words: str) -> tuple[Block, ...]:
    return ({"type": "text", "text": words},)


@dataclass
class TurnHarness:
    """One conversation: its machine, its durable log, and the model call, tools and timers that run because of them."""

    limits: Limits = field(default_factory=Limits)
    log: list[Logged] = field(default_factory=list)
    model: ModelRef | None = None
    tools: dict[str, RunTool] = field(default_factory=dict)
    timers: dict[str, int] = field(default_factory=dict)
    last: StepResult = field(init=False)

    def __post_init__(self) -> None:
        self.machine = revive(fold(self.log), self.limits)

    def feed(self, happened: Input) -> StepResult:
        """Give the machine one input and perform its commands."""
        self._consume(happened)
        result = self._append(happened)
        for command in result.commands:
            self._perform(command)
        self._compare()
        return result

    def crash(self) -> StepResult:
        """Lose everything but the log, and go on with a new incarnation."""
        self.model, self.tools, self.timers = None, {}, {}
        self.machine = revive(check_log(self.log), self.limits)
        return self.feed(Recover())

    def crash_after_append(self, happened: Input) -> StepResult:
        """Take an input and crash when it is durable, before any of its effects is performed."""
        self._append(happened)
        return self.crash()

    def say(self, words: str = "hello", on_busy: OnBusy = "reject", principal: str | None = "ann") -> StepResult:
        return self.feed(UserMessage(content=text(words), on_busy=on_busy, principal=principal))

    def start_model(self) -> StepResult:
        return self.feed(ModelStarted(ref=self.model_call))

    def answer(self, words: str = "hi", *calls: ProposedCall, stop_reason: str = "end_turn") -> StepResult:
        """The model streams and finishes; `words` may be blank."""
        self.start_model()
        return self.feed(self.finished(words, *calls, stop_reason=stop_reason))

    def finished(self, words: str = "hi", *calls: ProposedCall, stop_reason: str = "end_turn") -> ModelFinished:
        """A `ModelFinished` of the running model call."""
        ref = self.model_call
        message_id = f"m{ref.turn}.{ref.step}.{ref.attempt}"
        content = text(words)
        return ModelFinished(ref=ref, message_id=message_id, content=content, calls=calls, stop_reason=stop_reason)

    def fail_model(self, reason: str = "overloaded") -> StepResult:
        return self.feed(ModelFailed(ref=self.model_call, reason=reason, detail="The model is busy."))

    def finish_tool(self, tool_call_id: str, content: str = "done") -> StepResult:
        return self.feed(ToolFinished(turn=self.machine.facts.turn, tool_call_id=tool_call_id, content=content))

    def approve(self, tool_call_id: str) -> StepResult:
        return self.feed(Resolve(tool_call_id=tool_call_id, decision="approve", principal="bob"))

    @property
    def model_call(self) -> ModelRef:
        assert self.machine.model is not None, "no model call runs"
        return self.machine.model

    @property
    def state(self) -> State:
        return self.machine.state

    @property
    def events(self) -> list[Event]:
        """The log without positions."""
        return [logged.event for logged in self.log]

    @property
    def broadcasts(self) -> list[LiveEvent]:
        """The live events of the last step."""
        return [command.event for command in self.last.commands if isinstance(command, Broadcast)]

    @property
    def effects(self) -> list[Command]:
        """The effects of the last step."""
        return [command for command in self.last.commands if not isinstance(command, Append | Broadcast)]

    def result(self, tool_call_id: str) -> ToolResult:
        """The one result of a call."""
        found = [e for e in self.events if isinstance(e, ToolResult) and e.tool_call_id == tool_call_id]
        assert len(found) == 1
        return found[0]

    def _consume(self, happened: Input) -> None:
        """A model call or tool that reports its end runs no longer."""
        match happened:
            case ModelFailed(ref=ref) if ref == self.model:
                self.model = None
            case ModelFinished(ref=ref) if ref == self.model and self.state is State.STREAMING:
                self.model = None
            case Expire(tool_call_id=key, now=now) if self.timers.get(key, now + 1) <= now:
                del self.timers[key]
            case Expire(tool_call_id=key, unattended=True) if self._waits_for_client(key):
                self.timers.pop(key, None)
            case ModelInterrupted(ref=ref) if ref == self.model and self.state is State.PREPARING:
                self.model = None
            case ToolFinished(turn=turn, tool_call_id=key) if turn == self.machine.facts.turn:
                self.tools.pop(key, None)
            case ToolInterrupted(turn=turn, tool_call_id=key) if turn == self.machine.facts.turn:
                self.tools.pop(key, None)

    def _waits_for_client(self, key: str) -> bool:
        call = self.machine.facts.suspended.get(key)
        return call is not None and call.suspension is not None and call.suspension.kind == "client_exec"

    def _append(self, happened: Input) -> StepResult:
        result = step(self.machine, happened)
        for event in appended(result.commands):
            self.log.append(Logged(len(self.log) + 1, 0, event))
        check_step(self.machine, happened, result, self.log)
        self.machine, self.last = result.machine, result
        return result

    def _perform(self, command: Command) -> None:
        match command:
            case CallModel(ref):
                assert self.model is None, "two model calls at once"
                self.model = ref
            case StopModel(ref):
                assert self.model == ref
                self.model = None
            case RunTool(call):
                assert call.tool_call_id not in self.tools, "a tool runs twice at once"
                self.tools[call.tool_call_id] = command
            case StopTools(keys):
                for key in keys:
                    del self.tools[key]
            case ArmExpiry(key, at):
                self.timers[key] = at
            case DisarmExpiry(key):
                self.timers.pop(key, None)
            case Finish():
                assert self.model is None
                assert not self.tools
                assert not self.timers

    def _compare(self) -> None:
        """Check that exactly those things run that the machine believes to run."""
        facts = self.machine.facts
        if self.state is State.TERMINATING:
            assert (self.model, self.tools, self.timers) == (None, {}, {})
            return
        waiting = {key: call.suspension for key, call in facts.suspended.items()}
        assert self.model == self.machine.model
        assert set(self.tools) == set(facts.dispatched)
        assert self.timers == {
            key: s.expires_at for key, s in waiting.items() if s is not None and s.expires_at is not None
        }

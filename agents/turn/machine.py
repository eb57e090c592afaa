"""The turn machine: one pure function from a conversation and an input to its next moment and its commands.

How it works. `Machine` holds the durable facts (the fold of the log) and what this incarnation has under way.
`step` looks the input up in the transition table; an input that the table does not list is refused by name
when somebody waits for its answer, and ignored when it is a stale signal. A handler notes events, which move
the facts through the same `apply` that replays a log, and asks for effects, which come out behind the append.
"""

from agents.turn import flow
from agents.turn.answers import on_model_failed, on_model_finished, on_model_interrupted, on_model_started
from agents.turn.calls import on_expire, on_resolve, on_tool_finished, on_tool_interrupted
from agents.turn.commands import Finish
from agents.turn.draft import Draft, Limits, Machine, Refusal, StepResult
from agents.turn.events import Summary
from agents.turn.facts import Facts
from agents.turn.inputs import (
    Cancel,
    Expire,
    Input,
    ModelFailed,
    ModelFinished,
    ModelInterrupted,
    ModelStarted,
    Patched,
    Recover,
    Resolve,
    Stop,
    Summarised,
    ToolFinished,
    ToolInterrupted,
    UserMessage,
)
from agents.turn.messages import on_user_message
from agents.turn.states import TRANSITIONS, Signal, State

UNKNOWN_OUTCOME = "The outcome of this call is unknown: it was interrupted and is not repeated."

ABORTED = "released"
"""The reason of a turn that an operator ended, as logs have always held it."""
ABORTED_DETAIL = "The turn made no progress, and an operator has released it."
ABORTED_RUNNING = "The outcome of this call is unknown: an operator released the turn while it ran."
ABORTED_WAITING = "cancelled: an operator released the turn"

_LEAVING = Refusal("terminating", "The conversation is moving; send this again.")

# Somebody waits for the answer to these; any other signal that the table does not list is stale.
_REFUSED = {
    Signal.USER_MESSAGE: _LEAVING,
    Signal.CANCEL: Refusal("not_running", "No turn is running."),
    Signal.RESOLVE: Refusal("stale_resolution", "Nothing waits for this answer any more."),
}


def revive(facts: Facts, limits: Limits | None = None) -> Machine:
    """The machine of a new incarnation; give it a `Recover` before anything else."""
    return Machine(facts=facts, limits=limits or Limits())


def abort(facts: Facts, principal: str | None) -> StepResult:
    """End the running turn as failed, for an operator who has claimed the log; every open call gets its result.

    A message that is queued begins the next turn. Only the append and the broadcasts are to be carried out: the
    next incarnation finds out by itself what else is to be done.
    """
    draft = Draft(Machine(facts=facts, state=facts.phase))
    for tool_call_id, call in facts.calls.items():
        if call.suspension is not None:
            flow.close(draft, tool_call_id, ABORTED_WAITING, "cancelled", principal)
        else:
            flow.close(draft, tool_call_id, ABORTED_RUNNING, "unknown", principal)
    flow.fail(draft, ABORTED, ABORTED_DETAIL, principal)
    return draft.step()


def step(machine: Machine, happened: Input) -> StepResult:
    """Take one input. Pure: the same arguments give the same step."""
    if happened.signal not in TRANSITIONS[machine.state]:
        return StepResult(machine, refusal=_refusal(machine.state, happened.signal))
    draft = Draft(machine)
    refusal = _handle(draft, happened)
    return StepResult(machine, refusal=refusal) if refusal else draft.step()


def _refusal(state: State, signal: Signal) -> Refusal | None:
    # One that leaves does not know: what waits in the log still takes its answer, from the next incarnation.
    return _LEAVING if state is State.TERMINATING and signal in _REFUSED else _REFUSED.get(signal)


def _handle(draft: Draft, happened: Input) -> Refusal | None:
    match happened:
        case UserMessage():
            return on_user_message(draft, happened)
        case Resolve():
            return on_resolve(draft, happened)
        case Cancel():
            flow.abandon(draft, happened.partial, happened.principal, flow.USER_CANCELLED)
            flow.cancel(draft, happened.principal, "user_cancelled")
        case Recover():
            _recover(draft)
        case Stop():
            _stop(draft)
        case Patched():
            flow.patch(draft, (happened.patch,))
        case Summarised():
            _summarise(draft, happened)
        case _:
            _hear(draft, happened)
    return None


Report = ModelStarted | ModelInterrupted | ModelFinished | ModelFailed | ToolFinished | ToolInterrupted | Expire


def _hear(draft: Draft, report: Report) -> None:
    """Nobody waits for an answer to these: a stale one is dropped by its handler."""
    match report:
        case ModelStarted():
            on_model_started(draft, report)
        case ModelInterrupted():
            on_model_interrupted(draft, report)
        case ModelFinished():
            on_model_finished(draft, report)
        case ModelFailed():
            on_model_failed(draft, report)
        case ToolFinished():
            on_tool_finished(draft, report)
        case ToolInterrupted():
            on_tool_interrupted(draft, report)
        case Expire():
            on_expire(draft, report)


def _recover(draft: Draft) -> None:
    """Take up the log where it ends: ask the model, dispatch lost calls again, wait."""
    if not draft.facts.running:
        draft.do(Finish())
        return
    for call in draft.facts.suspended.values():
        draft.arm(call)
    for tool_call_id, call in draft.facts.dispatched.items():
        if call.call.on_unknown_outcome == "report":
            flow.close(draft, tool_call_id, UNKNOWN_OUTCOME, "unknown", draft.facts.principal)
        else:
            draft.run(call)
    flow.go_on(draft)


def _summarise(draft: Draft, made: Summarised) -> None:
    """Let a summary stand for the turns it covers; one that covers nothing new is stale."""
    if draft.facts.summarised < made.through_turn <= draft.facts.turn:
        draft.note(
            Summary(
                turn=draft.facts.turn, text=made.text, through_turn=made.through_turn, after=made.after, base=made.base
            )
        )


def _stop(draft: Draft) -> None:
    draft.stop_model()
    draft.stop_calls(abandoned=False)
    draft.enter(State.TERMINATING)
    draft.do(Finish())

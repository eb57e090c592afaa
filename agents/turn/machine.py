"""The turn machine: one pure function from a conversation and an input to the next state and its commands.

How it works. `Machine` holds the durable facts (the fold of the log) and what this incarnation is doing. `step` looks
the input up in the transition table. An input that the table does not list is refused by name when its sender waits
for an answer, and ignored when it is a stale signal. A handler appends events, which move the facts through the same
`apply` that replays a log, and adds effects, which are performed after the append.
"""

from agents.turn import flow
from agents.turn.answers import on_model_failed, on_model_finished, on_model_interrupted, on_model_started
from agents.turn.calls import on_expire, on_resolve, on_tool_finished, on_tool_interrupted
from agents.turn.commands import Finish
from agents.turn.draft import Draft, Limits, Machine, Refusal, StepResult
from agents.turn.events import Delivered, Summary
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
    RecordDelivery,
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

CANCELLED_BY_PERSON = "user_cancelled"
"""The reason of a turn that a `Cancel` ended."""

ABORTED = "released"
"""The reason of a turn that an operator ended, as logs have always held it."""
ABORTED_DETAIL = "The turn made no progress, and an operator has released it."
ABORTED_RUNNING = "The outcome of this call is unknown: an operator released the turn while it ran."
ABORTED_WAITING = "cancelled: an operator released the turn"

CRASHED = "crashed_repeatedly"
"""The reason of a turn that has ended one incarnation after another."""
CRASHED_DETAIL = "The turn was stopped: the process that worked on it ended again and again."
CRASHED_RUNNING = "The outcome of this call is unknown: the process that ran it ended again and again."
CRASHED_WAITING = "cancelled: the process that worked on the turn ended again and again"

NOT_STARTED = "not_started"
"""The reason of a turn for which no process could be started."""
NOT_STARTED_WAITING = "cancelled: no process could be started for the turn"

_LEAVING = Refusal("terminating", "The conversation is moving; send this again.")
_NOT_RUNNING = Refusal("not_running", "No turn is running.")

# The sender of these waits for an answer; any other signal that the table does not list is stale.
_REFUSED = {
    Signal.USER_MESSAGE: _LEAVING,
    Signal.CANCEL: _NOT_RUNNING,
    Signal.RECORD_DELIVERY: _LEAVING,
    Signal.RESOLVE: Refusal("stale_resolution", "Nothing waits for this answer any more."),
}


def revive(facts: Facts, limits: Limits | None = None) -> Machine:
    """The machine of a new incarnation; its first input is a `Recover`."""
    return Machine(facts=facts, limits=limits or Limits())


def abort(facts: Facts, principal: str | None) -> StepResult:
    """End the running turn as failed, for an operator who has claimed the log; every open call gets its result.

    A queued message begins the next turn. Perform only the append and the broadcasts: the next incarnation finds the
    effects by itself, from the log.
    """
    draft = Draft(Machine(facts=facts, state=facts.phase))
    _close_all(draft, ABORTED_WAITING, ABORTED_RUNNING, principal)
    flow.fail(draft, ABORTED, ABORTED_DETAIL, principal)
    return draft.result()


def give_up_start(facts: Facts, detail: str) -> StepResult:
    """End the running turn as failed, for a caller who has claimed the log since no process can be started for it.

    As with `abort`, perform only the append and the broadcasts.
    """
    draft = Draft(Machine(facts=facts, state=facts.phase))
    _close_all(draft, NOT_STARTED_WAITING, CRASHED_RUNNING, facts.principal)
    flow.fail(draft, NOT_STARTED, detail)
    return draft.result()


def step(machine: Machine, happened: Input) -> StepResult:
    """Take one input. Pure: the same arguments give the same result."""
    if happened.signal not in TRANSITIONS[machine.state]:
        return StepResult(machine, refusal=_refusal(machine.state, happened.signal))
    draft = Draft(machine)
    refusal = _handle(draft, happened)
    return StepResult(machine, refusal=refusal) if refusal else draft.result()


def _refusal(state: State, signal: Signal) -> Refusal | None:
    # An incarnation that leaves has forgotten what waits; the next one still takes the answer.
    return _LEAVING if state is State.TERMINATING and signal in _REFUSED else _REFUSED.get(signal)


def _handle(draft: Draft, happened: Input) -> Refusal | None:
    match happened:
        case UserMessage():
            return on_user_message(draft, happened)
        case Resolve():
            return on_resolve(draft, happened)
        case Cancel():
            return _cancel(draft, happened)
        case RecordDelivery():
            return _record_delivery(draft, happened)
        case Recover():
            _recover(draft, happened)
        case Stop():
            _stop(draft)
        case Patched():
            flow.patch(draft, (happened.patch,), happened.principal)
        case Summarised():
            _summarise(draft, happened)
        case _:
            _take_report(draft, happened)
    return None


OneWayInput = ModelStarted | ModelInterrupted | ModelFinished | ModelFailed | ToolFinished | ToolInterrupted | Expire


def _take_report(draft: Draft, report: OneWayInput) -> None:
    """No sender waits for an answer to these inputs: a stale one is dropped by its handler."""
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


def _recover(draft: Draft, recover: Recover) -> None:
    """Go on where the log ends: ask the model, run lost calls again, or wait."""
    if not draft.facts.running:
        draft.add_effect(Finish())
        return
    if recover.give_up:
        _give_up(draft)
        return
    for call in draft.facts.suspended.values():
        draft.arm_expiry(call)
    for tool_call_id, call in draft.facts.dispatched.items():
        if call.call.on_unknown_outcome == "report":
            flow.close(draft, tool_call_id, UNKNOWN_OUTCOME, "unknown", draft.facts.principal)
        else:
            draft.run_tool(call)
    flow.go_on(draft)


def _cancel(draft: Draft, cancel: Cancel) -> Refusal | None:
    if cancel.turn not in (None, draft.facts.turn):
        return Refusal("not_running", f"Turn {cancel.turn} is not running.")
    flow.abandon(draft, cancel.partial, cancel.principal, flow.USER_CANCELLED)
    flow.cancel(draft, cancel.principal, CANCELLED_BY_PERSON)
    return None


def _give_up(draft: Draft) -> None:
    """End the turn as failed. Nothing of it is called again; tools may stop what they have started elsewhere."""
    draft.state = draft.facts.phase
    draft.stop_tools(abandoned=True)
    _close_all(draft, CRASHED_WAITING, CRASHED_RUNNING, draft.facts.principal)
    flow.fail(draft, CRASHED, CRASHED_DETAIL)


def _close_all(draft: Draft, waiting_reads: str, running_reads: str, principal: str | None) -> None:
    """Give every open call its result: one that waited is cancelled, the outcome of one that ran is unknown."""
    for tool_call_id, call in draft.facts.calls.items():
        if call.suspension is not None:
            flow.close(draft, tool_call_id, waiting_reads, "cancelled", principal)
        else:
            flow.close(draft, tool_call_id, running_reads, "unknown", principal)


def _summarise(draft: Draft, made: Summarised) -> None:
    """Log a summary of earlier turns; a summary that covers nothing new is stale."""
    if draft.facts.summarised < made.through_turn <= draft.facts.turn:
        draft.append(
            Summary(
                turn=draft.facts.turn, text=made.text, through_turn=made.through_turn, after=made.after, base=made.base
            )
        )


def _record_delivery(draft: Draft, delivery: RecordDelivery) -> Refusal | None:
    """Log what people have seen of a turn, whatever runs now."""
    if not 1 <= delivery.turn <= draft.facts.turn:
        return Refusal("unknown_turn", f"There is no turn {delivery.turn}.")
    draft.append(
        Delivered(
            turn=draft.facts.turn,
            principal=delivery.principal,
            chain=delivery.chain,
            channel=delivery.channel,
            answered=delivery.turn,
            bubbles=delivery.bubbles,
            unsent=delivery.unsent,
        )
    )
    return None


def _stop(draft: Draft) -> None:
    draft.stop_model()
    draft.stop_tools(abandoned=False)
    draft.enter(State.TERMINATING)
    draft.add_effect(Finish())

"""How a turn goes on: to the next model call, to waiting, to its one end, to the turn that is queued behind it."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from agents.turn.approvers import Approver
from agents.turn.commands import Finish
from agents.turn.draft import Draft
from agents.turn.events import (
    AssistantMsg,
    Block,
    Decision,
    MessageStatus,
    Outcome,
    ResultStatus,
    StatePatch,
    Suspension,
    SuspensionKind,
    ToolResult,
    TurnEnded,
)
from agents.turn.facts import Facts
from agents.turn.inputs import Partial, Patch
from agents.turn.live import (
    Suspended,
    ToolCallErrored,
    ToolCallResolved,
    TurnCancelled,
    TurnCompleted,
    TurnFailed,
    TurnStarted,
)
from agents.turn.states import State

DECISIONS: Mapping[SuspensionKind, tuple[Decision, ...]] = {
    "approval": ("approve", "edit", "reject", "respond"),
    "elicitation": ("respond", "reject"),
    "client_exec": ("respond", "reject"),
}
"""The decisions that each kind of suspension takes, unless its tool allows fewer."""

CANCELLED = "[cancelled]"
USER_CANCELLED = "user cancelled"
SUPERSEDED = "cancelled: another message came in"


def start(draft: Draft) -> None:
    """Tell the watchers that a turn has begun, and call the model."""
    draft.broadcast(TurnStarted(turn=draft.facts.turn))
    draft.call_model()


def go_on(draft: Draft) -> None:
    """After an answer, or a change of a call: execute, wait, ask the model again, or end the turn."""
    if not draft.facts.calls:
        if draft.facts.final and draft.facts.steered_to <= draft.facts.step:
            complete(draft)
        else:
            ask_again(draft)
        return
    executing = bool(draft.facts.dispatched)
    waiting = draft.facts.suspended
    if waiting and (not executing or waiting != draft.before.facts.suspended):
        draft.broadcast(Suspended(turn=draft.facts.turn, pending=pending(draft.facts)))
    draft.enter(State.EXECUTING_TOOLS if executing else State.AWAITING_INPUT)


def ask_again(draft: Draft) -> None:
    """Make the next model call of this turn, within its limit."""
    if draft.facts.step >= draft.limits.model_calls:
        limit = draft.limits.model_calls
        fail(draft, "model_call_limit", f"The turn was stopped after {limit} model calls.")
    else:
        draft.call_model()


def complete(draft: Draft) -> None:
    _end(draft, "completed", None, None, draft.facts.principal)


def fail(draft: Draft, reason: str, detail: str, principal: str | None = None) -> None:
    """End the turn as failed; `principal` is the person who ended it, if a person did."""
    _end(draft, "failed", reason, detail, principal or draft.facts.principal)


def cancel(draft: Draft, principal: str | None, reason: str) -> None:
    """End a turn whose model and calls have been stopped by `abandon`."""
    _end(draft, "cancelled", reason, None, principal)


def abandon(draft: Draft, partial: Partial | None, principal: str | None, waiting_reads: str) -> None:
    """Stop the turn in whatever state it is: keep the text so far, give every open call its result.

    `waiting_reads` is the result of the calls that waited for the outside; the result of the others is `[cancelled]`.
    """
    draft.stop_model()
    draft.stop_tools(abandoned=True)
    keep(draft, partial, "cancelled")
    for tool_call_id, call in draft.facts.calls.items():
        content = waiting_reads if call.suspension else CANCELLED
        close(draft, tool_call_id, content, "cancelled", principal)


def close(
    draft: Draft,
    tool_call_id: str,
    content: str | Sequence[Block],
    status: ResultStatus,
    principal: str | None,
) -> None:
    """Give an open call its one result and tell the watchers."""
    turn = draft.facts.turn
    draft.append(ToolResult(turn=turn, principal=principal, tool_call_id=tool_call_id, content=content, status=status))
    live_event = ToolCallResolved if status == "ok" else ToolCallErrored
    draft.broadcast(live_event(turn=turn, tool_call_id=tool_call_id, status=status))


def patch(draft: Draft, patches: Sequence[Patch], principal: str | None = None) -> None:
    """Log the changes of the middleware's durable state; `principal` is the person who made them, if one did."""
    turn, by = draft.facts.turn, principal or draft.facts.principal
    for change in patches:
        draft.append(StatePatch(turn=turn, principal=by, source=change.source, patch=change.changes))


def keep(draft: Draft, partial: Partial | None, status: MessageStatus) -> None:
    """Log the part of an answer that came before it was cut off."""
    if partial is None or not partial.content:
        return
    draft.append(
        AssistantMsg(
            turn=draft.facts.turn,
            principal=draft.facts.principal,
            message_id=partial.message_id,
            step=draft.facts.step + 1,
            content=partial.content,
            status=status,
            model=partial.model,
        )
    )


def asked_by(draft: Draft, approvers: Sequence[Approver], elsewhere: Sequence[str] = ()) -> list[str]:
    """Who has asked for a call that another one is to decide about: the persons who have spoken in this turn.

    With whom has asked for it `elsewhere`, in the conversation of a sub-agent.
    """
    return list(dict.fromkeys((*draft.facts.speakers, *elsewhere))) if "another" in approvers else []


def name_decisions(kind: SuspensionKind, named: Sequence[Decision], approvers: Collection[Approver]) -> list[Decision]:
    """What a suspension says of the decisions; `named` are the ones that its tool allows, empty: all of its kind.

    Where another person than the asker decides there is no `edit`: what ran then would be the wish of the one who
    approves, and no second person would have seen it.
    """
    if "another" not in approvers or "edit" not in (named or DECISIONS[kind]):
        return list(named)
    return [decision for decision in named or DECISIONS[kind] if decision != "edit"] or ["reject"]


def decisions_of(suspension: Suspension) -> Sequence[Decision]:
    """The decisions that a waiting call takes, also where earlier code has logged its question."""
    named = name_decisions(suspension.kind, suspension.decisions, suspension.approvers)
    return named or DECISIONS[suspension.kind]


def pending(facts: Facts) -> dict[str, dict[str, Any]]:
    """The calls that wait for the outside, by id, in the shape that fsm_state and the API show."""
    return {
        key: {
            "executor": call.suspension.executor,
            "kind": call.suspension.kind,
            "prompt": call.suspension.prompt,
            "expires_at": call.suspension.expires_at,
            "decisions": list(decisions_of(call.suspension)),
            "arguments_hash": call.suspension.arguments_hash,
            "form": call.suspension.form,
            "name": call.call.name,
            "approvers": list(call.suspension.approvers),
            "asked_by": list(call.suspension.asked_by),
        }
        for key, call in facts.suspended.items()
        if call.suspension is not None
    }


def fsm_state(facts: Facts) -> Mapping[str, Any]:
    """The cache beside the log: phase, pending calls, position. At any disagreement it is rebuilt from the log.

    The phase is the state in which an incarnation would take up the log, so a turn that works is seen without one.
    """
    return {"state": facts.phase.value, "pending": pending(facts), "last_seq": facts.last_seq}


def _end(draft: Draft, outcome: Outcome, reason: str | None, detail: str | None, principal: str | None) -> None:
    turn = draft.facts.turn
    draft.append(TurnEnded(turn=turn, principal=principal, outcome=outcome, reason=reason, detail=detail))
    if not draft.facts.running:
        draft.enter(State.IDLE)
    if outcome == "completed":
        draft.broadcast(TurnCompleted(turn=turn))
    elif outcome == "cancelled":
        draft.broadcast(TurnCancelled(turn=turn))
    else:
        draft.broadcast(TurnFailed(turn=turn, reason=reason or "unknown", detail=detail or ""))
    if draft.facts.running:
        start(draft)
    else:
        draft.add_effect(Finish())

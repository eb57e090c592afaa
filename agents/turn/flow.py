"""How a turn goes on: to the next model call, to waiting, to its one end, to the turn queued behind it."""

from collections.abc import Mapping, Sequence
from typing import Any

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
"""What each kind of suspension takes, unless it allows less."""

CANCELLED = "[cancelled]"
USER_CANCELLED = "user cancelled"
SUPERSEDED = "cancelled: another message came in"


def start(draft: Draft) -> None:
    """A turn has just begun: say so and ask the model."""
    draft.tell(TurnStarted(turn=draft.facts.turn))
    draft.call_model()


def go_on(draft: Draft) -> None:
    """After an answer, or a call that was dispatched, suspended or resolved: execute, wait, ask again, or end."""
    if not draft.facts.calls:
        if draft.facts.final and draft.facts.steered_to <= draft.facts.step:
            complete(draft)
        else:
            ask_again(draft)
        return
    executing = bool(draft.facts.dispatched)
    waiting = draft.facts.suspended
    if waiting and (not executing or waiting != draft.before.facts.suspended):
        draft.tell(Suspended(turn=draft.facts.turn, pending=pending(draft.facts)))
    draft.enter(State.EXECUTING_TOOLS if executing else State.AWAITING_INPUT)


def ask_again(draft: Draft) -> None:
    """The next model call of this turn, within its bound."""
    if draft.facts.step >= draft.limits.model_calls:
        limit = draft.limits.model_calls
        fail(draft, "model_call_limit", f"The turn was stopped after {limit} model calls.")
    else:
        draft.call_model()


def complete(draft: Draft) -> None:
    _end(draft, "completed", None, None, draft.facts.principal)


def fail(draft: Draft, reason: str, detail: str, principal: str | None = None) -> None:
    """`principal` is who ended the turn, if somebody did."""
    _end(draft, "failed", reason, detail, principal or draft.facts.principal)


def cancel(draft: Draft, principal: str | None, reason: str) -> None:
    """End a turn that was abandoned before."""
    _end(draft, "cancelled", reason, None, principal)


def abandon(draft: Draft, partial: Partial | None, principal: str | None, waiting_reads: str) -> None:
    """Stop the turn wherever it is: keep the text so far, give every open call its result.

    `waiting_reads` is the result of calls that waited for the outside; those that ran read `[cancelled]`.
    """
    draft.stop_model()
    draft.stop_calls(abandoned=True)
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
    draft.note(ToolResult(turn=turn, principal=principal, tool_call_id=tool_call_id, content=content, status=status))
    told = ToolCallResolved if status == "ok" else ToolCallErrored
    draft.tell(told(turn=turn, tool_call_id=tool_call_id, status=status))


def patch(draft: Draft, patches: Sequence[Patch]) -> None:
    """Log what middleware wants to be remembered."""
    for change in patches:
        draft.note(
            StatePatch(
                turn=draft.facts.turn, principal=draft.facts.principal, source=change.source, patch=change.changes
            )
        )


def keep(draft: Draft, partial: Partial | None, status: MessageStatus) -> None:
    """Log the part of an answer that had come before it was cut off."""
    if partial is None or not partial.content:
        return
    draft.note(
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


def pending(facts: Facts) -> dict[str, dict[str, Any]]:
    """What waits for the outside, by tool call id, in the shape that fsm_state and the API show."""
    return {
        key: {
            "executor": call.suspension.executor,
            "kind": call.suspension.kind,
            "prompt": call.suspension.prompt,
            "expires_at": call.suspension.expires_at,
            "decisions": list(call.suspension.decisions or DECISIONS[call.suspension.kind]),
            "arguments_hash": call.suspension.arguments_hash,
            "form": call.suspension.form,
            "name": call.call.name,
        }
        for key, call in facts.suspended.items()
        if call.suspension is not None
    }


def fsm_state(facts: Facts) -> Mapping[str, Any]:
    """The cache beside the log: phase, pending calls, position; rebuilt from the log at any disagreement."""
    return {"state": facts.phase.value, "pending": pending(facts), "last_seq": facts.last_seq}


def _end(draft: Draft, outcome: Outcome, reason: str | None, detail: str | None, principal: str | None) -> None:
    turn = draft.facts.turn
    draft.note(TurnEnded(turn=turn, principal=principal, outcome=outcome, reason=reason, detail=detail))
    if not draft.facts.running:
        draft.enter(State.IDLE)
    if outcome == "completed":
        draft.tell(TurnCompleted(turn=turn))
    elif outcome == "cancelled":
        draft.tell(TurnCancelled(turn=turn))
    else:
        draft.tell(TurnFailed(turn=turn, reason=reason or "unknown", detail=detail or ""))
    if draft.facts.running:
        start(draft)
    else:
        draft.do(Finish())

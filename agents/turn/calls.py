"""Tool calls under way: finished, resolved from outside, or run out of time."""

import json
from collections.abc import Mapping

from agents.turn import flow
from agents.turn.commands import DisarmExpiry
from agents.turn.draft import Draft, Refusal
from agents.turn.events import Decision, Resolution, Suspension, SuspensionKind
from agents.turn.facts import OpenCall
from agents.turn.inputs import Expire, Resolve, ToolFinished

DECISIONS: Mapping[SuspensionKind, frozenset[Decision]] = {
    "approval": frozenset({"approve", "edit", "reject", "respond"}),
    "elicitation": frozenset({"respond", "reject"}),
    "client_exec": frozenset({"respond", "reject"}),
}

EXPIRED = "Nobody answered in time."


def on_tool_finished(draft: Draft, result: ToolFinished) -> None:
    if result.turn != draft.facts.turn or result.tool_call_id not in draft.facts.dispatched:
        return
    flow.close(draft, result.tool_call_id, result.content, result.status, draft.facts.principal)
    flow.go_on(draft)


def on_resolve(draft: Draft, resolve: Resolve) -> Refusal | None:
    call = draft.facts.suspended.get(resolve.tool_call_id)
    if call is None or call.suspension is None:
        return Refusal("stale_resolution", "Nothing waits for this answer any more.")
    if (objection := _objection(resolve, call.suspension.kind)) is not None:
        return Refusal("invalid_decision", objection)
    draft.note(
        Resolution(
            turn=draft.facts.turn,
            principal=resolve.principal,
            tool_call_id=resolve.tool_call_id,
            decision=resolve.decision,
            arguments=resolve.arguments,
            reason=resolve.reason,
            answer=resolve.answer,
        )
    )
    draft.do(DisarmExpiry(resolve.tool_call_id))
    _carry_out(draft, resolve, call)
    flow.go_on(draft)
    return None


def on_expire(draft: Draft, expiry: Expire) -> None:
    call = draft.facts.suspended.get(expiry.tool_call_id)
    if call is None or call.suspension is None or call.suspension.expires_at is None:
        return
    if call.suspension.expires_at <= expiry.now:
        flow.close(draft, expiry.tool_call_id, EXPIRED, "timeout", draft.facts.principal)
        flow.go_on(draft)


def _objection(resolve: Resolve, kind: SuspensionKind) -> str | None:
    allowed = DECISIONS[kind]
    if resolve.decision not in allowed:
        return f"This call takes {', '.join(sorted(allowed))}, not {resolve.decision}."
    if resolve.decision == "edit" and resolve.arguments is None:
        return "To edit a call, send its new arguments."
    if resolve.decision != "edit" and resolve.arguments is not None:
        return "Arguments go with the decision edit only."
    if resolve.decision == "respond" and resolve.answer is None:
        return "To respond, send an answer."
    return None


def _carry_out(draft: Draft, resolve: Resolve, call: OpenCall) -> None:
    tool_call_id = resolve.tool_call_id
    if resolve.decision == "respond":
        flow.close(draft, tool_call_id, _as_content(resolve.answer), "ok", resolve.principal)
    elif resolve.decision == "reject":
        said = f"Denied by the user: {resolve.reason}" if resolve.reason else "Denied by the user."
        flow.close(draft, tool_call_id, said, "denied", resolve.principal)
    elif call.call.executor == "client":
        _hand_to_client(draft, resolve, call)
    else:
        draft.run(draft.facts.calls[tool_call_id])


def _hand_to_client(draft: Draft, resolve: Resolve, call: OpenCall) -> None:
    """A gated client call suspends twice: first for the approval, now for the execution."""
    draft.note(
        Suspension(
            turn=draft.facts.turn,
            principal=resolve.principal,
            tool_call_id=resolve.tool_call_id,
            kind="client_exec",
            executor="client",
            prompt=call.suspension.prompt if call.suspension else "",
            expires_at=resolve.expires_at,
        )
    )
    draft.arm(draft.facts.calls[resolve.tool_call_id])


def _as_content(answer: object) -> str:
    return answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)

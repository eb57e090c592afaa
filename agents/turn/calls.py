"""What happens to an open tool call: it finishes, asks people, is resolved from outside, or its time runs out."""

import json
from collections.abc import Sequence

from agents.turn import flow
from agents.turn.approvers import Approver, describe, may_decide
from agents.turn.commands import DisarmExpiry
from agents.turn.draft import Draft, Refusal
from agents.turn.events import Block, Resolution, Suspension, Verdict, arguments_hash, blocks_of
from agents.turn.facts import OpenCall
from agents.turn.inputs import Expire, Resolve, ToolFinished, ToolInterrupted

APPROVED = "Approved."
EXPIRED = "Nobody answered in time."
DENIED = "Denied by the user"
NOT_EXECUTED = "The client did not execute it"
UNATTENDED = "No client is connected that could execute this."


def on_tool_finished(draft: Draft, result: ToolFinished) -> None:
    if result.turn != draft.facts.turn or result.tool_call_id not in draft.facts.dispatched:
        return
    flow.patch(draft, result.patches)
    flow.close(draft, result.tool_call_id, result.content, result.status, draft.facts.principal)
    flow.go_on(draft)


def on_tool_interrupted(draft: Draft, interrupted: ToolInterrupted) -> None:
    """The tool has ended with a question to people; it is run again with their answer."""
    call = draft.facts.dispatched.get(interrupted.tool_call_id)
    if call is None or interrupted.turn != draft.facts.turn:
        return
    question = interrupted.question
    flow.patch(draft, interrupted.patches)
    draft.append(
        Suspension(
            turn=draft.facts.turn,
            principal=draft.facts.principal,
            tool_call_id=interrupted.tool_call_id,
            kind=question.kind,
            executor=call.call.executor,
            prompt=question.prompt,
            expires_at=question.expires_at,
            decisions=flow.name_decisions(question.kind, question.decisions, question.approvers),
            arguments_hash=question.arguments_hash,
            form=question.form,
            resumes=True,
            approvers=list(question.approvers),
            asked_by=flow.asked_by(draft, question.approvers, question.asked_by),
        )
    )
    draft.arm_expiry(draft.facts.calls[interrupted.tool_call_id])
    flow.go_on(draft)


def on_resolve(draft: Draft, resolve: Resolve) -> Refusal | None:
    call = draft.facts.suspended.get(resolve.tool_call_id)
    if call is None or call.suspension is None or resolve.question not in (None, call.question):
        return Refusal("stale_resolution", "Nothing waits for this answer any more.")
    waits = call.suspension
    if not may_decide(waits.approvers, waits.asked_by, resolve.principal, resolve.standing):
        return Refusal("not_an_approver", f"This waits for {describe(waits.approvers)}.")
    if resolve.arguments_hash not in (None, call.suspension.arguments_hash):
        return Refusal("arguments_changed", "What waits here is not what was decided on; look at it again.")
    if (objection := _objection(resolve, call.suspension)) is not None:
        return Refusal("invalid_decision", objection)
    _append_resolution(draft, resolve, resolve.decision, waits.approvers)
    draft.add_effect(DisarmExpiry(resolve.tool_call_id))
    _carry_out(draft, resolve, call)
    flow.go_on(draft)
    return None


def on_expire(draft: Draft, expiry: Expire) -> None:
    call = draft.facts.suspended.get(expiry.tool_call_id)
    if call is None or call.suspension is None or call.suspension.expires_at is None:
        return
    if expiry.unattended and call.suspension.kind == "client_exec":
        draft.add_effect(DisarmExpiry(expiry.tool_call_id))
        flow.close(draft, expiry.tool_call_id, UNATTENDED, "error", draft.facts.principal)
    elif expiry.unattended or expiry.now < call.suspension.expires_at:
        return
    elif call.suspension.resumes:
        unanswered = Resolve(tool_call_id=expiry.tool_call_id, decision="reject", reason=EXPIRED)
        _append_resolution(draft, unanswered, "expire")
        draft.run_tool(draft.facts.calls[expiry.tool_call_id])
    else:
        flow.close(draft, expiry.tool_call_id, EXPIRED, "timeout", draft.facts.principal)
    flow.go_on(draft)


def _append_resolution(draft: Draft, resolve: Resolve, verdict: Verdict, approvers: Sequence[Approver] = ()) -> None:
    draft.append(
        Resolution(
            turn=draft.facts.turn,
            principal=resolve.principal,
            tool_call_id=resolve.tool_call_id,
            decision=verdict,
            arguments=resolve.arguments,
            reason=resolve.reason,
            answer=resolve.answer,
            standing=list(resolve.standing) if approvers else [],
        )
    )


def _objection(resolve: Resolve, suspension: Suspension) -> str | None:
    allowed = flow.decisions_of(suspension)
    if resolve.decision not in allowed:
        return f"This call takes {', '.join(allowed)}, not {resolve.decision}."
    if resolve.decision == "edit" and resolve.arguments is None:
        return "To edit a call, send its new arguments."
    if resolve.decision != "edit" and resolve.arguments is not None:
        return "Arguments go with the decision edit only."
    if resolve.decision == "respond" and resolve.answer is None:
        return "To respond, send an answer."
    return None


def _carry_out(draft: Draft, resolve: Resolve, call: OpenCall) -> None:
    tool_call_id = resolve.tool_call_id
    if call.suspension is not None and call.suspension.resumes:
        draft.run_tool(draft.facts.calls[tool_call_id])
    elif resolve.decision == "respond":
        flow.close(draft, tool_call_id, _as_content(resolve.answer, call.suspension), "ok", resolve.principal)
    elif resolve.decision == "reject":
        said = NOT_EXECUTED if call.suspension is not None and call.suspension.kind == "client_exec" else DENIED
        content = f"{said}: {resolve.reason}" if resolve.reason else f"{said}."
        flow.close(draft, tool_call_id, content, "denied", resolve.principal)
    elif call.call.source is not None:
        flow.close(draft, tool_call_id, APPROVED, "ok", resolve.principal)
    elif call.call.executor == "client":
        _hand_to_client(draft, resolve, call)
    else:
        draft.run_tool(draft.facts.calls[tool_call_id])


def _hand_to_client(draft: Draft, resolve: Resolve, call: OpenCall) -> None:
    """A gated client call suspends twice: first for the approval, now for the execution."""
    draft.append(
        Suspension(
            turn=draft.facts.turn,
            principal=resolve.principal,
            tool_call_id=resolve.tool_call_id,
            kind="client_exec",
            executor="client",
            prompt=call.suspension.prompt if call.suspension else "",
            expires_at=resolve.expires_at,
            arguments_hash=arguments_hash(draft.facts.calls[resolve.tool_call_id].arguments),
        )
    )
    draft.arm_expiry(draft.facts.calls[resolve.tool_call_id])


def _as_content(answer: object, suspension: Suspension | None) -> str | Sequence[Block]:
    """What the model reads: content blocks are for clients only, a person's list is a value like any other."""
    if suspension is not None and suspension.kind == "client_exec" and (blocks := blocks_of(answer)) is not None:
        return blocks
    return answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)

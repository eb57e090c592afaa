"""Forwards a sub-agent's question to the parent conversation, and the answer down to the sub-agent."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agents.interrupt import Interrupt, InterruptKind
from agents.middleware.sub_agent.log_reader import CallRecord
from agents.turn.events import Resolution, Suspension, arguments_hash
from agents.turn.inputs import Resolve

if TYPE_CHECKING:
    from collections.abc import Mapping

GRACE_SECONDS = 5.0
"""How much later the forwarded question expires, so that the sub-agent's own expires first."""


@dataclass(frozen=True, slots=True)
class SuspensionRef:
    """The suspension of a sub-agent that a forwarded question stands for: its call and its seq."""

    tool_call_id: str
    seq: int

    def is_pending_in(self, record: CallRecord | None) -> bool:
        """Whether the sub-agent still waits for this answer, and not for one to a later question of the same call."""
        return record is not None and record.is_waiting and record.question_seq == self.seq


def interrupt_for(child: str, agent: str, record: CallRecord, now: int, objection: str | None) -> Interrupt:
    """The sub-agent's question as the parent asks it, bound to this one suspension.

    Its form shows the waiting call of the innermost sub-agent (`call`), and says for which call of the child it is
    (`asked`). `objection` says why the child refused the last answer.
    """
    question = record.question
    assert question is not None
    prompt = f"{agent} asks: {question.prompt}"
    return Interrupt(
        prompt if objection is None else f"{prompt} ({objection})",
        kind=_kind(question),
        decisions=question.decisions,
        form=_form(child, agent, record, question),
        arguments_hash=_binding(child, record, question),
        expires_in=None if question.expires_at is None else max(0, question.expires_at - now) / 1000 + GRACE_SECONDS,
        approvers=question.approvers,
        asked_by=question.asked_by,
    )


def suspension_behind(question: Suspension | None) -> SuspensionRef | None:
    """The suspension of the sub-agent for which `question` was asked; None if it is not a forwarded question."""
    found = None if question is None or question.form is None else question.form.get("asked")
    return None if found is None else SuspensionRef(found["tool_call_id"], found["seq"])


def resolution_for(suspension: SuspensionRef, record: CallRecord, resolution: Resolution) -> Resolve:
    """The parent's resolution, which is not an expiry, as one for the child."""
    assert resolution.decision != "expire"
    return Resolve(
        tool_call_id=suspension.tool_call_id,
        decision=resolution.decision,
        arguments=resolution.arguments,
        reason=resolution.reason,
        answer=resolution.answer,
        principal=resolution.principal,
        arguments_hash=record.question.arguments_hash if record.question else None,
        question=suspension.seq,
        standing=resolution.standing,
    )


def _kind(question: Suspension) -> InterruptKind:
    # No client is connected to a sub-agent: a call for a client becomes a question to the people of the parent.
    return "elicitation" if question.kind == "client_exec" else question.kind


def _form(child: str, agent: str, record: CallRecord, question: Suspension) -> dict[str, Any]:
    inner: Mapping[str, Any] = question.form or {}
    own = {
        "conversation": child,
        "agent": agent,
        "tool_call_id": record.call.tool_call_id,
        "name": record.call.name,
        "arguments": dict(record.arguments),
    }
    call = inner["call"] if "asked" in inner else own
    asked = {"tool_call_id": record.call.tool_call_id, "seq": record.question_seq}
    return {**inner, "call": call, "asked": asked}


def _binding(child: str, record: CallRecord, question: Suspension) -> str:
    """A hash that differs for each question, also when the same call asks the same thing twice."""
    return arguments_hash(
        {
            "conversation": child,
            "tool_call_id": record.call.tool_call_id,
            "seq": record.question_seq,
            "arguments_hash": question.arguments_hash,
        }
    )

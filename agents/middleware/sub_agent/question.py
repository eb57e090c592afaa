"""A question of a sub-agent's, asked again at the conversation it works for; and the answer on its way down."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agents.interrupt import AskKind, Interrupt
from agents.middleware.sub_agent.reading import CallRecord
from agents.turn.events import Resolution, Suspension, arguments_hash
from agents.turn.inputs import Resolve

if TYPE_CHECKING:
    from collections.abc import Mapping

GRACE_SECONDS = 5.0
"""How much longer the question stands above than below, so that it is the sub-agent's own that runs out."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Which suspension of the sub-agent's a question stands for: its call, and the seq at which it was suspended."""

    tool_call_id: str
    seq: int

    def is_still_open(self, story: CallRecord | None) -> bool:
        """Whether the sub-agent waits for this very answer; an answer to an earlier question of the call is stale."""
        return story is not None and story.waits and story.asked_at == self.seq


def interrupt_for(child: str, agent: str, story: CallRecord, now: int, objection: str | None) -> Interrupt:
    """What people are asked above: the same question, bound to this one suspension below.

    The form shows the call that waits at the bottom (`call`), and remembers which one of the child's it is asked for
    (`asked`). `objection` says why the last answer would not do.
    """
    question = story.question
    assert question is not None
    prompt = f"{agent} asks: {question.prompt}"
    return Interrupt(
        prompt if objection is None else f"{prompt} ({objection})",
        kind=_kind(question),
        decisions=question.decisions,
        form=_form(child, agent, story, question),
        arguments_hash=_binding(child, story, question),
        expires_in=None if question.expires_at is None else max(0, question.expires_at - now) / 1000 + GRACE_SECONDS,
    )


def asked_by(question: Suspension | None) -> Asked | None:
    """What a question of ours stands for, None if it is none of ours."""
    asked = None if question is None or question.form is None else question.form.get("asked")
    return None if asked is None else Asked(asked["tool_call_id"], asked["seq"])


def answer_for(asked: Asked, story: CallRecord, resolution: Resolution) -> Resolve:
    """The decision as the child is told it; `resolution` is not an expiry."""
    assert resolution.decision != "expire"
    return Resolve(
        tool_call_id=asked.tool_call_id,
        decision=resolution.decision,
        arguments=resolution.arguments,
        reason=resolution.reason,
        answer=resolution.answer,
        principal=resolution.principal,
        arguments_hash=story.question.arguments_hash if story.question else None,
    )


def _kind(question: Suspension) -> AskKind:
    # Nobody's device is connected to a sub-agent: what it wants done there is a question to those above.
    return "elicitation" if question.kind == "client_exec" else question.kind


def _form(child: str, agent: str, story: CallRecord, question: Suspension) -> dict[str, Any]:
    below: Mapping[str, Any] = question.form or {}
    own = {
        "conversation": child,
        "agent": agent,
        "tool_call_id": story.call.tool_call_id,
        "name": story.call.name,
        "arguments": dict(story.arguments),
    }
    call = below["call"] if "asked" in below else own
    asked = {"tool_call_id": story.call.tool_call_id, "seq": story.asked_at}
    return {**below, "call": call, "asked": asked}


def _binding(child: str, story: CallRecord, question: Suspension) -> str:
    """Another one for each question, also when the same call asks for the same thing twice."""
    return arguments_hash(
        {
            "conversation": child,
            "tool_call_id": story.call.tool_call_id,
            "seq": story.asked_at,
            "arguments_hash": question.arguments_hash,
        }
    )

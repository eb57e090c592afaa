"""Questions of middleware and tools to people: the calls that stand for them, and the answers found in the log."""

from collections.abc import Container, Iterable, Sequence
from itertools import count
from typing import get_args

from agents.agent import Expiries
from agents.interrupt import Interrupt, InterruptKind
from agents.middleware.pipeline.middleware import Middleware
from agents.middleware.pipeline.turn_context import AnsweredInterrupt
from agents.turn import Event
from agents.turn.approvers import Approver, read_approvers
from agents.turn.events import Resolution, Suspension, ToolCall, ToolResult
from agents.turn.inputs import ModelRef, ProposedCall, Question


def propose_questions(
    interrupts: Iterable[tuple[Middleware, Interrupt]],
    ref: ModelRef,
    used_ids: Container[str],
    now: int,
    expiries: Expiries,
) -> list[ProposedCall]:
    """The calls that put the questions of middleware to people, under new ids. The model never sees them."""
    ids = (key for key in (f"ask_{ref.turn}_{ref.step}_{number}" for number in count(1)) if key not in used_ids)
    return [
        ProposedCall(
            tool_call_id=next(ids),
            name=middleware.name,
            arguments={},
            executor="human",
            approval="required" if interrupt.kind == "approval" else "auto",
            prompt=interrupt.prompt,
            expires_at=_expires_at(interrupt, now, expiries),
            decisions=interrupt.decisions or (("approve", "reject") if interrupt.kind == "approval" else ()),
            form=interrupt.form,
            source=middleware.name,
            approvers=read_approvers(interrupt.approvers),
        )
        for middleware, interrupt in interrupts
    ]


def make_question(interrupt: Interrupt, now: int, expiries: Expiries, approvers: Sequence[Approver] = ()) -> Question:
    """What a running tool asks: `approvers`, which are the tool's, count if the interrupt names none.

    Raises ValueError for an unknown kind, or unknown approvers.
    """
    if interrupt.kind not in get_args(InterruptKind):
        raise ValueError(f"a question has no kind {interrupt.kind!r}")
    return Question(
        kind=interrupt.kind,
        prompt=interrupt.prompt,
        decisions=interrupt.decisions,
        form=interrupt.form,
        arguments_hash=interrupt.arguments_hash,
        expires_at=_expires_at(interrupt, now, expiries),
        approvers=read_approvers(interrupt.approvers) or approvers,
        asked_by=interrupt.asked_by,
    )


def find_answers(events: Iterable[Event], source: str, turn: int, step: int) -> Sequence[AnsweredInterrupt]:
    """What the middleware `source` has asked before this model call, in order, with the results."""
    calls: dict[str, ToolCall] = {}
    prompts: dict[str, str] = {}
    resolutions: dict[str, Resolution] = {}
    asked: list[AnsweredInterrupt] = []
    for event in events:
        match event:
            case ToolCall() if (event.source, event.turn, event.step) == (source, turn, step):
                calls[event.tool_call_id] = event
            case Suspension() if event.tool_call_id in calls:
                prompts[event.tool_call_id] = event.prompt
            case Resolution() if event.tool_call_id in calls:
                resolutions[event.tool_call_id] = event
            case ToolResult(tool_call_id=key) if key in calls:
                asked.append(AnsweredInterrupt(prompts.get(key, ""), event, resolutions.get(key)))
    return asked


def _expires_at(interrupt: Interrupt, now: int, expiries: Expiries) -> int:
    seconds = expiries.people if interrupt.expires_in is None else interrupt.expires_in
    return now + round(seconds * 1000)

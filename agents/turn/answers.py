"""The model's answer: logged together with its calls, asked for again when blank, kept in part when it broke."""

from collections.abc import Sequence

from agents.turn import flow
from agents.turn.draft import Draft
from agents.turn.events import (
    UNFINISHED,
    WINDOW_EXCEEDED,
    AssistantMsg,
    Block,
    Suspension,
    SuspensionKind,
    ToolCall,
    UserMsg,
    arguments_hash,
)
from agents.turn.inputs import ModelFailed, ModelFinished, ModelInterrupted, ModelStarted, ProposedCall
from agents.turn.live import MessageCompleted, ToolCallStarted
from agents.turn.states import State

NOT_EXECUTED = "Not executed: the turn was stopped."
REFUSAL = ("refusal", "The model refused to answer.")
UNFINISHED_CALL = "Not run: the answer ended before it was complete ({}), so the arguments may lack a part."

MAX_CUT_OFF = 2
"""How many answers in a row may end at `max_tokens` before they have done what they were to do."""


def on_model_started(draft: Draft, started: ModelStarted) -> None:
    if started.ref == draft.model:
        draft.enter(State.STREAMING)


def on_model_interrupted(draft: Draft, question: ModelInterrupted) -> None:
    """Middleware asks people something before the model call, which is made once they have answered."""
    if question.ref != draft.model:
        return
    draft.model = None
    flow.patch(draft, question.patches)
    _ask_people(draft, question.asks, question.ref.step)
    flow.go_on(draft)


def on_model_finished(draft: Draft, answer: ModelFinished) -> None:
    if answer.ref != draft.model:
        return
    draft.model = None
    stop = answer.stop or _stop_of(answer)
    if not answer.calls and stop is None and _is_blank(answer.content) and not _is_silent_end(draft, answer):
        _retry_blank_answer(draft, answer)
        return
    flow.patch(draft, answer.patches)
    _log_answer(draft, answer)
    if stop is None and draft.facts.cut_off >= MAX_CUT_OFF and (answer.calls or answer.feedback):
        stop = ("answer_too_long", f"The model's answer was cut off at max_tokens, {MAX_CUT_OFF} times in a row.")
    if stop is not None:
        flow.fail(draft, *stop)
        return
    _ask_people(draft, answer.asks, answer.ref.step)
    if answer.feedback:
        _append_feedback(draft, answer.feedback)
    flow.go_on(draft)


def on_model_failed(draft: Draft, failure: ModelFailed) -> None:
    if failure.ref != draft.model:
        return
    draft.model = None
    flow.patch(draft, failure.patches)
    if failure.again:
        draft.call_model(failure.ref.attempt + 1)
        return
    flow.keep(draft, failure.partial, "interrupted")
    flow.fail(draft, failure.reason, failure.detail)


def _stop_of(answer: ModelFinished) -> tuple[str, str] | None:
    """Why the turn ends as failed with an answer that another one like it would not help: reason and detail."""
    if answer.stop_reason == WINDOW_EXCEEDED:
        return "context_window_exceeded", "The conversation does not fit into the model's context window any more."
    if answer.stop_reason == "refusal" and answer.calls:
        return REFUSAL
    return None


def _is_blank(content: Sequence[Block]) -> bool:
    """Whether it holds nothing but thinking and white space."""
    return all(
        block["type"] in ("thinking", "redacted_thinking")
        or (block["type"] == "text" and not str(block["text"]).strip())
        for block in content
    )


def _is_silent_end(draft: Draft, answer: ModelFinished) -> bool:
    """Whether the model has nothing to add to a call that succeeded, and nothing else is asked of it."""
    return answer.stop_reason == "end_turn" and draft.facts.achieved and not answer.feedback


def _retry_blank_answer(draft: Draft, answer: ModelFinished) -> None:
    """Ask the model again, within the limit; not after a refusal, which it would repeat."""
    if answer.stop_reason == "refusal":
        flow.fail(draft, *REFUSAL)
    elif answer.ref.attempt > draft.limits.blank_answers:
        flow.fail(draft, "empty_answer", "The model gave no answer.")
    else:
        draft.call_model(answer.ref.attempt + 1)


def _log_answer(draft: Draft, answer: ModelFinished) -> None:
    turn = draft.facts.turn
    seq = draft.append(
        AssistantMsg(
            turn=turn,
            principal=draft.facts.principal,
            message_id=answer.message_id,
            step=answer.ref.step,
            content=answer.content,
            stop_reason=answer.stop_reason,
            usage=answer.usage,
            model=answer.model,
            cost=answer.cost,
            output=answer.output,
            provider=answer.provider,
        )
    )
    draft.broadcast(MessageCompleted(turn=turn, message_id=answer.message_id, seq=seq))
    for call in answer.calls:
        _log_call(draft, call, answer.ref.step)
    for call in answer.calls:
        if answer.stop_reason in UNFINISHED:
            refusal = UNFINISHED_CALL.format(answer.stop_reason)
            flow.close(draft, call.tool_call_id, refusal, "error", draft.facts.principal)
        elif answer.stop is not None:
            flow.close(draft, call.tool_call_id, NOT_EXECUTED, "error", draft.facts.principal)
        else:
            _dispatch(draft, call)


def _ask_people(draft: Draft, asks: Sequence[ProposedCall], step: int) -> None:
    for ask in asks:
        _log_call(draft, ask, step)
    for ask in asks:
        _dispatch(draft, ask)


def _append_feedback(draft: Draft, blocks: Sequence[Block]) -> None:
    """Log what the next model call of this turn reads as a message."""
    turn, step = draft.facts.turn, draft.facts.step + 1
    draft.append(UserMsg(turn=turn, principal=draft.facts.principal, content=blocks, step=step, origin="agent"))


def _log_call(draft: Draft, call: ProposedCall, step: int) -> None:
    draft.append(
        ToolCall(
            turn=draft.facts.turn,
            principal=draft.facts.principal,
            tool_call_id=call.tool_call_id,
            step=step,
            name=call.name,
            arguments=call.arguments,
            executor=call.executor,
            approval=call.approval,
            trust=call.trust,
            on_unknown_outcome=call.on_unknown_outcome,
            ends_turn=call.ends_turn,
            source=call.source,
        )
    )
    draft.broadcast(ToolCallStarted(turn=draft.facts.turn, tool_call_id=call.tool_call_id, name=call.name))


def _dispatch(draft: Draft, call: ProposedCall) -> None:
    if call.refusal is not None:
        flow.close(draft, call.tool_call_id, call.refusal, "error", draft.facts.principal)
    elif (kind := _kind_of_wait(call)) is not None:
        _suspend(draft, call, kind)
    else:
        draft.run_tool(draft.facts.calls[call.tool_call_id])


def _kind_of_wait(call: ProposedCall) -> SuspensionKind | None:
    """What the call waits for before anything runs, None if it can run at once."""
    if call.approval == "required":
        return "approval"
    if call.executor == "human":
        return "elicitation"
    return "client_exec" if call.executor == "client" else None


def _suspend(draft: Draft, call: ProposedCall, kind: SuspensionKind) -> None:
    approvers = [] if kind == "client_exec" else list(call.approvers)  # a program decides nothing
    draft.append(
        Suspension(
            turn=draft.facts.turn,
            principal=draft.facts.principal,
            tool_call_id=call.tool_call_id,
            kind=kind,
            executor=call.executor,
            prompt=call.prompt,
            expires_at=call.expires_at,
            decisions=flow.name_decisions(kind, call.decisions, approvers),
            arguments_hash=arguments_hash(call.arguments),
            form=call.form,
            approvers=approvers,
            asked_by=flow.asked_by(draft, approvers),
        )
    )
    draft.arm_expiry(draft.facts.calls[call.tool_call_id])

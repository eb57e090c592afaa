"""A user message begins a turn; while another turn runs, the policy `on_busy` decides what becomes of it."""

from agents.turn import flow
from agents.turn.draft import Draft, Refusal
from agents.turn.events import UserMsg
from agents.turn.inputs import UserMessage
from agents.turn.states import State


def on_user_message(draft: Draft, message: UserMessage) -> Refusal | None:
    if message.origin == "agent" and draft.facts.self_started >= draft.limits.self_started:
        limit = draft.limits.self_started
        return Refusal("self_run_limit", f"The agent has started itself {limit} times in a row.")
    if not draft.facts.running:
        _accept(draft, message, draft.facts.turn + 1, step=1)
        flow.start(draft)
    elif message.on_busy == "reject":
        return Refusal("turn_running", "A turn is running; wait for its end, or cancel it.")
    elif _is_full(draft, message):
        return Refusal(
            "queue_full", f"{draft.limits.queued} messages wait already; send this when they have been read."
        )
    elif message.on_busy == "queue":
        _accept(draft, message, draft.facts.turn + 1, step=1)
    elif message.on_busy == "steer":
        _accept(draft, message, draft.facts.turn, step=_next_free_step(draft))
    else:
        _interrupt(draft, message)
    return None


def _is_full(draft: Draft, message: UserMessage) -> bool:
    """Whether the limit of waiting messages is reached. An interrupt neither waits nor is refused."""
    waiting = {"queue": draft.facts.queued, "steer": draft.facts.steered}
    return message.on_busy in waiting and waiting[message.on_busy] >= draft.limits.queued


def _next_free_step(draft: Draft) -> int:
    """The first step whose model call has not been made yet: a running call has read its context already."""
    asking = draft.state in (State.PREPARING, State.STREAMING)
    return draft.facts.step + (2 if asking else 1)


def _interrupt(draft: Draft, message: UserMessage) -> None:
    """Cancel, then run: the end of this turn begins the next one, together with the messages queued before."""
    flow.abandon(draft, message.partial, message.principal, flow.SUPERSEDED)
    _accept(draft, message, draft.facts.turn + 1, step=1)
    flow.cancel(draft, message.principal, "interrupted")


def _accept(draft: Draft, message: UserMessage, turn: int, step: int) -> None:
    draft.append(
        UserMsg(
            turn=turn,
            principal=message.principal,
            content=message.content,
            step=step,
            client_id=message.client_id,
            origin=message.origin,
            model=message.model,
        )
    )

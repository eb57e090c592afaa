"""A user message begins a turn; while another turn runs, the policy `on_busy` decides what becomes of it.

Whatever that is, a turn has the messages of one principal: its tools act in that one's name, with that one's rights.
"""

from agents.turn import flow
from agents.turn.draft import Draft, Refusal
from agents.turn.events import UserMsg
from agents.turn.inputs import OnBusy, UserMessage
from agents.turn.states import State


def on_user_message(draft: Draft, message: UserMessage) -> Refusal | None:
    if message.origin == "agent" and draft.facts.self_started >= draft.limits.self_started:
        limit = draft.limits.self_started
        return Refusal("self_run_limit", f"The agent has started itself {limit} times in a row.")
    if not draft.facts.running:
        _accept(draft, message, draft.facts.turn + 1, step=1)
        flow.start(draft)
        return None
    policy = _policy(draft, message)
    if policy == "reject":
        return Refusal("turn_running", "A turn is running; wait for its end, or cancel it.")
    if _is_full(draft, policy):
        return Refusal(
            "queue_full", f"{draft.limits.queued} messages wait already; send this when they have been read."
        )
    if policy == "queue":
        _accept(draft, message, draft.facts.turn_to_join(message.principal), step=1)
    elif policy == "steer":
        _accept(draft, message, draft.facts.turn, step=_next_free_step(draft))
    else:
        _interrupt(draft, message)
    return None


def _policy(draft: Draft, message: UserMessage) -> OnBusy | None:
    """What becomes of the message: one that steers the turn of another person waits for a turn of its own."""
    is_foreign = message.principal != draft.facts.principal
    return "queue" if message.on_busy == "steer" and is_foreign else message.on_busy


def _is_full(draft: Draft, policy: OnBusy | None) -> bool:
    """Whether the limit of waiting messages is reached. An interrupt neither waits nor is refused."""
    waiting = {"queue": draft.facts.queued, "steer": draft.facts.steered}
    return policy in waiting and waiting[policy] >= draft.limits.queued


def _next_free_step(draft: Draft) -> int:
    """The first step whose model call has not been made yet: a running call has read its context already."""
    asking = draft.state in (State.PREPARING, State.STREAMING)
    return draft.facts.step + (2 if asking else 1)


def _interrupt(draft: Draft, message: UserMessage) -> None:
    """Cancel, then run: the end of this turn begins the next one, which has the messages that waited longest."""
    flow.abandon(draft, message.partial, message.principal, flow.SUPERSEDED)
    _accept(draft, message, draft.facts.turn_to_join(message.principal), step=1)
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
            channel=message.channel,
        )
    )

"""An operator frees a turn that nobody carries on: it ends as failed, and every open call gets its result."""

from agents.turn import flow
from agents.turn.draft import Draft, Machine, Step
from agents.turn.facts import Facts

RELEASED = "released"
DETAIL = "The turn made no progress, and an operator has released it."
UNKNOWN = "The outcome of this call is unknown: an operator released the turn while it ran."
UNANSWERED = "cancelled: an operator released the turn"


def released(facts: Facts, principal: str | None) -> Step:
    """The end of the turn that runs, for whoever has claimed the log; a message that is queued begins the next turn.

    Only the appends and broadcasts are to be carried out: the effects are for the next incarnation to find.
    """
    draft = Draft(Machine(facts=facts, state=facts.phase))
    for tool_call_id, call in facts.calls.items():
        if call.suspension is not None:
            flow.close(draft, tool_call_id, UNANSWERED, "cancelled", principal)
        else:
            flow.close(draft, tool_call_id, UNKNOWN, "unknown", principal)
    flow.fail(draft, RELEASED, DETAIL, principal)
    return draft.step()

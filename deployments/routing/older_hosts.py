"""Commands to actors with the code before, whose methods take fewer arguments: that is so during one rollout only."""

from agents.conversation import Receipt
from agents.conversation.command_target import find_cancel
from deployments.direct.caller import CallFailed
from deployments.routing.control_plane import Actor
from deployments.routing.dedicated_starts import Command
from store import Store

UNKNOWN_TURN = "unexpected keyword argument 'turn'"


def cancel_turn(store: Store, conversation_id: str, principal: str | None, turn: int) -> Command[Receipt]:
    """The call that ends this turn and no other one, however often it is repeated.

    An actor with older code knows no turn: it ends the one that runs. So the log is asked before each try whether the
    turn still runs. What remains is that it ends by itself, and the next one begins, while that one call is under way.
    """

    async def cancel(actor: Actor, version: int) -> Receipt:
        try:
            receipt: Receipt = await actor.cancel.remote(conversation_id, principal, version, turn=turn)
        except (TypeError, CallFailed) as error:
            cause = error.cause if isinstance(error, CallFailed) else error
            if not (isinstance(cause, TypeError) and UNKNOWN_TURN in str(cause)):
                raise
            known = await find_cancel(store, conversation_id, turn)
            receipt = known or await actor.cancel.remote(conversation_id, principal, version)
        return receipt

    return cancel

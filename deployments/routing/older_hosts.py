"""Commands to actors with the code before, whose methods take fewer arguments: that is so during one rollout only."""

from typing import Any

from agents.context import AgentContext
from agents.conversation import Receipt
from agents.conversation.command_target import find_cancel
from agents.turn.inputs import Cancel
from deployments.direct.caller import CallFailed
from deployments.routing.control_plane import Actor
from deployments.routing.dedicated_starts import Command
from store import Store

UNKNOWN = "unexpected keyword argument"


def cancel_turn(store: Store, conversation_id: str, command: Cancel, context: AgentContext) -> Command[Receipt]:
    """The call that ends the turn of the command and no other one, however often it is repeated.

    An actor with older code knows no context, and one with still older code no turn: it ends the one that runs. So the
    log is asked before each try whether the turn still runs. What remains is that it ends by itself, and the next one
    begins, while that one call is under way.
    """
    assert command.turn is not None
    turn, principal = command.turn, command.principal

    async def cancel(actor: Actor, version: int) -> Receipt:
        options: dict[str, Any] = {"turn": turn}
        if context.traceparent is not None:
            options["context"] = context
        while True:
            try:
                receipt: Receipt = await actor.cancel.remote(conversation_id, principal, version, **options)
            except (TypeError, CallFailed) as error:
                cause = error.cause if isinstance(error, CallFailed) else error
                unknown = next((name for name in options if f"{UNKNOWN} '{name}'" in str(cause)), None)
                if not isinstance(cause, TypeError) or unknown is None:
                    raise
                del options[unknown]
                if "turn" not in options and (known := await find_cancel(store, conversation_id, turn)) is not None:
                    return known
            else:
                return receipt

    return cancel

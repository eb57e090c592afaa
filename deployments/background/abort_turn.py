"""An operator frees a conversation from a turn that goes nowhere: ends it in the log, then drops who works on it."""

import asyncio
from dataclasses import dataclass

import structlog

from agents.conversation.abort_turn import abort_in_log
from agents.errors import AgentError
from deployments.routing.door import Door
from deployments.routing.errors import DeploymentError
from store import Store, StoreError

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class AbortedTurn:
    """The turn that ended, where its end stands, and the actor that was killed because it answered nobody."""

    turn: int
    seq: int
    killed: str | None


async def abort_turn(store: Store, door: Door, conversation_id: str, principal: str | None) -> AbortedTurn:
    """The turn fails as `released`, its calls get their results, and the conversation can be talked to again.

    Whoever works on it is fenced off first, so it need not answer. Its actor is asked to drop it, and killed, with all
    that lives in it, if it answers nobody: the others go on elsewhere. The work of sub-agents is cancelled.

    Raises `agents.errors.Refused` when no turn runs or nobody can get hold of it, `store.ConversationNotFound`.
    """
    receipt, before = await abort_in_log(store, conversation_id, principal)
    log.warning("turn_released", conversation=conversation_id, turn=receipt.turn, place=before.place, by=principal)
    killed = before.place if before.place and await _dropped_by_force(door, before.place, conversation_id) else None
    await asyncio.gather(
        *(_cancel(door, child.id, principal) for child in await store.registry.children(conversation_id))
    )
    return AbortedTurn(receipt.turn, receipt.seq, killed)


async def _dropped_by_force(door: Door, place: str, conversation_id: str) -> bool:
    """The turn is over, whatever comes of this."""
    try:
        return await door.liveness.drop(place, conversation_id)
    except DeploymentError as error:
        log.warning("host_not_asked", host=place, conversation=conversation_id, cause=str(error))
        return False


async def _cancel(door: Door, conversation_id: str, principal: str | None) -> None:
    try:
        await door.cancel(conversation_id, principal)
    except (AgentError, DeploymentError, StoreError) as error:
        log.info("sub_agent_not_cancelled", conversation=conversation_id, cause=str(error))

"""An operator aborts a turn that makes no progress: it ends in the log, then the actor that works on it drops it."""

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
    """The turn that ended, the seq of its end, and the actor that was killed because it did not answer."""

    turn: int
    seq: int
    killed: str | None


async def abort_turn(store: Store, door: Door, conversation_id: str, principal: str | None) -> AbortedTurn:
    """The turn fails as `released`, its calls get their results, and the conversation can be talked to again.

    The incarnation that works on it is fenced off first, so it need not answer. Its actor is asked to drop it; if it
    does not answer, it is killed with all that lives in it: the other conversations go on elsewhere. The work of
    sub-agents is cancelled.

    Raises `agents.errors.Refused` when no turn runs, or when new incarnations keep taking it; and
    `store.ConversationNotFound`.
    """
    receipt, before = await abort_in_log(store, conversation_id, principal)
    log.warning("turn_released", conversation_id=conversation_id, turn=receipt.turn, place=before.place, by=principal)
    killed = before.place if before.place and await _make_actor_drop(door, before.place, conversation_id) else None
    await asyncio.gather(
        *(_cancel_sub_agent(door, child.id, principal) for child in await store.registry.children(conversation_id))
    )
    return AbortedTurn(receipt.turn, receipt.seq, killed)


async def _make_actor_drop(door: Door, place: str, conversation_id: str) -> bool:
    """Whether the actor had to be killed for it. The turn is over, whatever comes of this."""
    try:
        return await door.liveness.drop(place, conversation_id)
    except DeploymentError as error:
        log.warning("host_not_asked", host=place, conversation_id=conversation_id, cause=str(error))
        return False


async def _cancel_sub_agent(door: Door, conversation_id: str, principal: str | None) -> None:
    try:
        await door.cancel(conversation_id, principal)
    except (AgentError, DeploymentError, StoreError) as error:
        log.info("sub_agent_not_cancelled", conversation_id=conversation_id, cause=str(error))

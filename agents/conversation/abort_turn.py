"""Ends the unfinished turn of a conversation from outside, whatever works on it: fences that, then writes the end."""

import orjson
import structlog

from agents.clock import now_ms
from agents.conversation.journal import Journal
from agents.errors import Refused
from agents.receipt import Receipt
from agents.turn import State, abort
from agents.turn.commands import Append, Broadcast
from store import ConversationMeta, Fenced, Store
from store.errors import Conflict

log = structlog.get_logger(__name__)

RACES = 10
"""How often another incarnation may take the log from under us: each one has to be started first."""


async def release(store: Store, conversation_id: str, principal: str | None) -> tuple[Receipt, ConversationMeta]:
    """Where the turn's end stands, and what was known of the conversation before, its place among it.

    No agent is needed, so a turn whose agent is not served any more can be released as well. Raises `Refused` when no
    turn runs, or others take the log again and again, and `store.ConversationNotFound`.
    """
    for _ in range(RACES):
        before = await _unfinished(store, conversation_id)
        try:
            return await _end_turn(store, conversation_id, principal), before
        except (Fenced, Conflict):
            log.info("release_tried_again", conversation=conversation_id)
    raise Refused("terminating", "The conversation is taken up elsewhere again and again; send this again.")


async def _unfinished(store: Store, conversation_id: str) -> ConversationMeta:
    """A look before the claim, which would fence one that is at rest as well."""
    meta = await store.registry.get(conversation_id)
    if meta.state is None or orjson.loads(meta.state)["state"] == State.IDLE:
        raise Refused("not_running", "No turn is running.")
    return meta


async def _end_turn(store: Store, conversation_id: str, principal: str | None) -> Receipt:
    journal = await Journal.open(store, conversation_id, place="", cluster="")
    facts = (await journal.replay()).facts
    if not facts.running:
        raise Refused("not_running", "No turn is running.")
    step = abort(facts, principal)
    events = [event for command in step.commands if isinstance(command, Append) for event in command.events]
    live = [command.event for command in step.commands if isinstance(command, Broadcast)]
    logged = await journal.append(events, step.machine.facts, live, now_ms())
    return Receipt(logged[-1].seq, facts.turn)

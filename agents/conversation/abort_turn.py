"""Ends the unfinished turn of a conversation from outside: fences the incarnation that runs it, then logs the end."""

from collections.abc import Callable

import orjson
import structlog

from agents.clock import now_ms
from agents.conversation.journal import Journal
from agents.errors import Refused
from agents.receipt import Receipt
from agents.turn import Facts, State, StepResult, abort, give_up_start
from agents.turn.states import ExitReason
from store import ConversationMeta, Fenced, Store
from store.errors import Conflict

log = structlog.get_logger(__name__)

MAX_ATTEMPTS = 10
"""How often another incarnation may claim the log in between: each of them has to be started first."""


async def abort_in_log(store: Store, conversation_id: str, principal: str | None) -> tuple[Receipt, ConversationMeta]:
    """Where the turn's end stands, and what was known of the conversation before, its place among it.

    No agent is needed, so the turn of an agent that is no longer served can be ended as well. Raises `Refused` when no
    turn runs, or other incarnations claim the log again and again, and `store.ConversationNotFound`.
    """
    for _ in range(MAX_ATTEMPTS):
        before = await _find_unfinished(store, conversation_id)
        try:
            return await _end_turn(store, conversation_id, principal), before
        except (Fenced, Conflict):
            log.info("release_tried_again", conversation_id=conversation_id)
    raise Refused("terminating", "The conversation is taken up elsewhere again and again; send this again.")


async def give_up_start_in_log(store: Store, before: ConversationMeta, detail: str) -> None:
    """End the turn as `not_started`, unless another writer has claimed the log since `before` was read.

    Raises `Refused` when no turn runs, `store.Fenced`, `store.ConversationNotFound`.
    """
    journal = await Journal.open(store, before.id, place="", cluster=before.cluster or "", current=before.epoch)
    await _append_end(journal, lambda facts: give_up_start(facts, detail))


async def _find_unfinished(store: Store, conversation_id: str) -> ConversationMeta:
    """Look before claiming, for a claim would also fence an incarnation at rest."""
    meta = await store.registry.get(conversation_id)
    if meta.state is None or orjson.loads(meta.state)["state"] == State.IDLE:
        raise Refused("not_running", "No turn is running.")
    return meta


async def _end_turn(store: Store, conversation_id: str, principal: str | None) -> Receipt:
    journal = await Journal.open(store, conversation_id, place="", cluster="")
    receipt = await _append_end(journal, lambda facts: abort(facts, principal))
    await journal.leave(ExitReason.ABORTED)
    return receipt


async def _append_end(journal: Journal, end: Callable[[Facts], StepResult]) -> Receipt:
    facts = (await journal.replay()).facts
    if not facts.running:
        raise Refused("not_running", "No turn is running.")
    logged = await journal.append(facts, end(facts), now_ms())
    return Receipt(logged[-1].seq, facts.turn)

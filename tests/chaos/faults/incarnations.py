"""Faults of ownership: a conversation is claimed from outside, and lives twice while nobody has died."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from agents.conversation import Conversation
from agents.services import Services
from store import Store
from tests.chaos.agents import agents
from tests.chaos.world import World


@asynccontextmanager
async def claimed(world: World, pick: float) -> AsyncIterator[str | None]:
    """The owner is fenced by a claim, whose owner dies at once."""
    store = world.store()
    try:
        conversation_id = await _chosen(store, pick)
        if conversation_id is not None:
            await store.log.claim(conversation_id)
        yield conversation_id
    finally:
        await store.aclose()


@asynccontextmanager
async def doubled(world: World, pick: float) -> AsyncIterator[str | None]:
    """A second incarnation works in the checker's process, and is gone without a word when it is healed."""
    store = world.store()
    try:
        conversation_id = await _chosen(store, pick)
        if conversation_id is None:
            yield None
            return
        services = Services(store=store, place="nowhere")
        double = await Conversation.open(services, conversation_id, agents(world.ledger))
        try:
            yield conversation_id
        finally:
            double.abandon()
    finally:
        await store.aclose()


async def _chosen(store: Store, pick: float) -> str | None:
    metas, _ = await store.registry.list("local", limit=100)
    return metas[int(pick * len(metas))].id if metas else None

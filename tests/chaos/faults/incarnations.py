"""Faults of ownership: a conversation is claimed from outside, or is active twice although no process has died."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from agents.conversation import Conversation
from agents.services import Services
from store import Store
from store.registries.lists import of_principal
from tests.chaos.agents import agents
from tests.chaos.system import SystemUnderTest


@asynccontextmanager
async def claimed(system: SystemUnderTest, pick: float) -> AsyncIterator[str | None]:
    """Another claim fences the owner; the new owner does nothing."""
    store = system.store()
    try:
        conversation_id = await _choose(store, pick)
        if conversation_id is not None:
            await store.log.claim(conversation_id)
        yield conversation_id
    finally:
        await store.aclose()


@asynccontextmanager
async def doubled(system: SystemUnderTest, pick: float) -> AsyncIterator[str | None]:
    """A second incarnation works in the checker's process; healing abandons it without a goodbye."""
    store = system.store()
    try:
        conversation_id = await _choose(store, pick)
        if conversation_id is None:
            yield None
            return
        services = Services(store=store, place="nowhere")
        double = await Conversation.open(services, conversation_id, agents(system.ledger))
        try:
            yield conversation_id
        finally:
            double.abandon()
    finally:
        await store.aclose()


async def _choose(store: Store, pick: float) -> str | None:
    metas, _ = await store.registry.list(of_principal("local"), limit=100)
    return metas[int(pick * len(metas))].id if metas else None

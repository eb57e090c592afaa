"""What happens to the conversations of a batch when it is over: they are kept, archived or deleted."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from agents.clock import now_ms
from deployments.batches.definition import BatchDefinition, conversation_id
from deployments.batches.row_run import BatchServices
from store import ConversationNotFound, Store
from store.registries.batches import BatchRecord

TOGETHER: Final = 32


async def end_conversations(services: BatchServices, batch: BatchRecord, definition: BatchDefinition) -> None:
    """Archive or delete them all, those of earlier rounds too. Done again, it changes nothing."""
    if definition.conversations == "keep" or batch.total is None:
        return
    finished = await services.store.batches.finished(batch.id)
    rounds = await services.store.batches.rounds(batch.id)
    last = max([8 * len(finished), batch.total, *rounds]) + 1
    for start in range(1, last, TOGETHER):
        rows = range(start, min(start + TOGETHER, last))
        await asyncio.gather(*(_end_row(services, batch, definition, row, rounds) for row in rows))


async def _end_row(
    services: BatchServices, batch: BatchRecord, definition: BatchDefinition, row: int, rounds: Mapping[int, int]
) -> None:
    for number in range(rounds.get(row, 0) + 1):
        conversation = conversation_id(batch.id, row, number)
        with suppress(ConversationNotFound):
            meta = await services.store.registry.get(conversation)
            if meta.principal != batch.owner or meta.channel != "batch":
                continue
            if definition.conversations == "archive":
                await services.store.registry.set_archived(conversation, now_ms(), archived=True, by=batch.owner)
            else:
                await _delete(services, conversation, batch.owner)


async def _delete(services: BatchServices, conversation: str, owner: str) -> None:
    places = await services.store.registry.places(await _with_descendants(services.store, conversation))
    await services.store.registry.delete(conversation, owner)
    await services.store.members.announce(conversation)
    for member, place in places.items():
        await services.door.dismiss(member, place)


async def _with_descendants(store: Store, conversation: str) -> list[str]:
    found = [conversation]
    for member in found:  # grows while it is walked
        found += [child.id for child in await store.registry.children(member)]
    return found

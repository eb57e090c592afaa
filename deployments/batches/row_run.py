"""Runs one row: makes its conversation, sends its message through the door, and says what is known of it."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol

import structlog

from agents.agent import Catalog
from agents.clock import now_ms
from agents.context import AgentContext
from agents.errors import Refused
from agents.receipt import Receipt
from agents.turn.inputs import UserMessage
from deployments.access.limits import LimitReached
from deployments.batches.definition import BatchDefinition, conversation_id
from deployments.batches.outcomes import note_of_turn, read_turn
from deployments.batches.pace import Pace
from deployments.routing.errors import ControlPlaneUnavailable, Unreachable
from store import ConversationExists, Store, StoreUnavailable
from store.principals import tenant_of
from store.registries.batches import RowNote

log = structlog.get_logger(__name__)

FULL: Final = frozenset({"overloaded", "too_many_turns", "cluster_full", "terminating", "limit_reached"})
"""Refusals that pass: the row is sent again, and fewer run beside it."""
AWAY: Final = (StoreUnavailable, Unreachable, ControlPlaneUnavailable, LimitReached)


class Sender(Protocol):
    """What of the door a batch uses."""

    async def send(self, conversation_id: str, message: UserMessage, context: AgentContext) -> Receipt: ...

    async def cancel(self, conversation_id: str, principal: str | None, turn: int | None = None) -> Receipt: ...

    async def dismiss(self, conversation_id: str, place: str | None) -> None: ...


@dataclass(frozen=True, slots=True)
class BatchServices:
    """What the run of a batch uses."""

    store: Store
    door: Sender
    catalog: Catalog


class RowRun:
    """Sends the rows of one batch. Sent twice, a row is one message: its client id is made of batch, row and round."""

    def __init__(
        self, services: BatchServices, batch_id: str, owner: str, definition: BatchDefinition, pace: Pace
    ) -> None:
        self._services = services
        self._batch = batch_id
        self._owner = owner
        self._definition = definition
        self._pace = pace
        self._context = AgentContext(tenant=tenant_of(owner), principal=owner)

    async def send(self, row: int, number: int, content: Sequence[dict[str, Any]]) -> RowNote | None:
        """Send the message of a row. What is known of its outcome already; None if it is to be heard of."""
        conversation = conversation_id(self._batch, row, number)
        message = UserMessage(
            content=content,
            client_id=conversation,
            principal=self._owner,
            origin="batch",
            model=self._definition.model,
        )
        while True:
            try:
                if not await self._has_conversation(conversation):
                    return RowNote(row, number, "failed", "conversation_exists")
                begun = time.monotonic()
                receipt = await self._services.door.send(conversation, message, self._context)
                self._pace.accepted(time.monotonic() - begun)
            except Refused as refusal:
                if refusal.code not in FULL:
                    return RowNote(row, number, "failed", f"{refusal.code}: {refusal.detail}"[:300])
                await self._wait_for_room(_seconds_until(refusal.members))
            except AWAY as error:
                log.info("batch_row_waits", batch_id=self._batch, row=row, cause=type(error).__name__)
                await self._wait_for_room(None)
            else:
                return await self.look(row, number) if receipt.duplicate else None

    async def look(self, row: int, number: int) -> RowNote | None:
        """What the log says of a row that was sent before."""
        events = await read_turn(self._services.store, conversation_id(self._batch, row, number))
        return note_of_turn(row, number, events)

    async def cancel(self, row: int, number: int) -> None:
        """End the turn of a row, if it goes on."""
        with suppress(Refused, *AWAY):
            await self._services.door.cancel(conversation_id(self._batch, row, number), self._owner, 1)

    async def exists(self, row: int, number: int) -> bool:
        """Whether the row was begun in that round."""
        return bool(await self._services.store.registry.get_many([conversation_id(self._batch, row, number)]))

    async def _has_conversation(self, conversation: str) -> bool:
        """Whether the conversation is there and this batch's; it is made if there is none."""
        registry = self._services.store.registry
        try:
            await registry.create(
                conversation,
                agent=self._definition.agent,
                principal=self._owner,
                channel="batch",
                placement="shared",
                now=now_ms(),
                in_lists=False,
            )
        except ConversationExists:
            meta = await registry.get(conversation)
            return meta.principal == self._owner and meta.channel == "batch"
        return True

    async def _wait_for_room(self, retry_after: float | None) -> None:
        """Give the place to no other row meanwhile, but take it anew: there are fewer now."""
        self._pace.slow_down(retry_after)
        self._pace.give_back()
        try:
            await self._pace.take()
        except asyncio.CancelledError:
            self._pace.taken += 1  # the caller gives it back
            raise
        if self._pace.is_stopped:
            raise asyncio.CancelledError  # it is another job's to send it


def _seconds_until(members: Any) -> float | None:  # noqa: ANN401 - what a refusal tells programs
    at = members.get("resets_at") if members else None
    return None if at is None else max(0.0, (at - now_ms()) / 1000)

"""Starts and ends the runs of schedules, through the door or as jobs; each is done once, however often it is tried."""

import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Protocol

from pydantic import ValidationError

from agents.agent import Catalog
from agents.context import AgentContext
from agents.errors import Refused, UnknownAgent
from agents.receipt import Receipt
from agents.turn.inputs import UserMessage
from deployments.access.principal import LOCAL, Principal
from deployments.access.rights import rights_of
from deployments.batches.client import BatchClient
from deployments.schedules.due_times import as_utc
from deployments.schedules.errors import NotRunnable
from deployments.schedules.outcomes import client_id_of, conversation_id_of, job_id_of
from deployments.schedules.state import Run, Schedule
from deployments.work.client import JobClient
from deployments.work.errors import PayloadTooLarge, UnknownJobType
from store import ConversationMeta, ConversationNotFound, Store
from store.errors import ConversationExists
from store.principals import tenant_of

CHANNEL = "scheduled"
MAX_TITLE_CHARACTERS = 200


class Reach(Protocol):
    """What of the door a run needs."""

    async def send(self, conversation_id: str, message: UserMessage, context: AgentContext) -> Receipt: ...

    async def cancel(self, conversation_id: str, principal: str | None, turn: int | None = None) -> Receipt: ...


class Runs:
    """Carries out what was decided. What may work later raises what it is; what will not, NotRunnable."""

    def __init__(
        self,
        store: Store,
        catalog: Catalog,
        reach: Reach,
        jobs: JobClient,
        clock: Callable[[], int],
        batches: BatchClient | None = None,
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._reach = reach
        self._jobs = jobs
        self._batches = batches
        self._clock = clock

    async def start(self, schedule: Schedule, run: Run) -> Mapping[str, Any]:
        """Give the run to its conversation or its job, which know it if they have it already; where it is."""
        if schedule.definition.job is not None:
            return {"job": await self._submit(schedule, run)}
        try:
            return await self._send(schedule, run)
        except UnknownAgent as error:
            raise NotRunnable(str(error)) from error
        except Refused as error:
            if error.is_transient:
                raise
            raise NotRunnable(str(error)) from error

    async def end(self, schedule: Schedule, run: Run) -> None:
        """Tell it to end; one that is over already stays as it is."""
        if run.job is not None:
            batch = await self._store.batches.get(run.job)
            if batch is not None and self._batches is not None:
                await self._batches.cancel(batch)
            elif (job := await self._store.jobs.get(run.job)) is not None:
                await self._jobs.cancel(job)
        elif run.conversation is not None:
            # It raises `Refused` if the turn has ended, which its outcome says then, or is yet to come.
            with suppress(ConversationNotFound):
                await self._reach.cancel(run.conversation, schedule.owner, run.turn)

    async def _submit(self, schedule: Schedule, run: Run) -> str:
        definition = schedule.definition
        try:
            return await self._jobs.submit(
                str(definition.job),
                definition.payload_for(run.due_at),
                owner=schedule.owner,
                job_id=job_id_of(schedule, run),
            )
        except ValidationError as error:
            raise NotRunnable(f"its payload is not valid: {error.error_count()} problems") from error
        except (UnknownJobType, PayloadTooLarge) as error:
            raise NotRunnable(str(error)) from error

    async def _send(self, schedule: Schedule, run: Run) -> Mapping[str, Any]:
        definition = schedule.definition
        meta = await (self._make(schedule, run) if definition.conversation is None else self._standing(schedule))
        context = self._catalog.make_context(meta, schedule.owner)
        message = UserMessage(
            content=[{"type": "text", "text": definition.prompt_for(run.due_at)}],
            on_busy="queue",  # people may be refused; what is due waits
            client_id=client_id_of(schedule, run),
            principal=schedule.owner,
            origin="schedule",
            model=definition.model,
        )
        traced = replace(context, trace_id=context.trace_id or uuid.uuid4().hex)
        receipt = await self._reach.send(meta.id, message, traced)
        return {"conversation": meta.id, "seq": receipt.seq, "turn": receipt.turn}

    async def _make(self, schedule: Schedule, run: Run) -> ConversationMeta:
        """The run's own conversation."""
        conversation_id = conversation_id_of(schedule, run)
        agent = schedule.definition.agent or self._catalog.default
        if agent not in self._catalog.agents:
            raise UnknownAgent(agent)
        try:
            return await self._store.registry.create(
                conversation_id,
                agent=agent,
                principal=schedule.owner,
                channel=CHANNEL,
                title=f"{schedule.definition.name} · {as_utc(run.due_at)}"[:MAX_TITLE_CHARACTERS],
                now=self._clock(),
            )
        except ConversationExists:
            known = await self._store.registry.get(conversation_id)
            if known.principal != schedule.owner:
                raise NotRunnable("another's conversation has the id of this run") from None
            return known

    async def _standing(self, schedule: Schedule) -> ConversationMeta:
        """The conversation to which the runs speak, if its owner may still write to it."""
        conversation_id = str(schedule.definition.conversation)
        try:
            meta = await self._store.registry.get(conversation_id)
        except ConversationNotFound:
            meta = None
        if meta is None or not may_speak_to(schedule.owner, meta):
            raise NotRunnable(f"there is no conversation {conversation_id} that its owner may write to")
        return meta


def may_speak_to(owner: str, meta: ConversationMeta) -> bool:
    """Whether the schedules of this principal may: by its own part, for a run has no other credential."""
    tenant = tenant_of(owner)
    user = owner if tenant is None else owner.removeprefix(f"{tenant}/")
    principal = LOCAL if owner == LOCAL.id else Principal(tenant, user)
    return meta.parent is None and "write" in rights_of(principal, meta.principal, meta.members)

"""What people ask of batches, from outside a worker: make, pause, resume, cancel, retry what failed, delete."""

import uuid
from typing import Final

from agents.agent import Catalog
from agents.clock import now_ms
from agents.errors import UnknownAgent
from deployments.access.settings import comma_separated
from deployments.batches.definition import BatchDefinition, RunBatch
from deployments.batches.errors import NotForProviderBatches, UnknownFile, WrongState
from deployments.batches.files import BatchFiles
from deployments.batches.sources import require_readable, require_writable
from deployments.settings import Settings
from deployments.work.client import JobClient
from store import Store
from store.registries.batches import BatchRecord, BatchState

RUN_BATCH: Final = "run_batch"
OPEN: Final[tuple[BatchState, ...]] = ("queued", "running", "waiting", "paused")
INVALID: Final = "not_valid"


class BatchClient:
    """One per process. Every call may raise `store.StoreUnavailable`."""

    def __init__(
        self, settings: Settings, store: Store, catalog: Catalog, jobs: JobClient, files: BatchFiles | None = None
    ) -> None:
        self._settings = settings
        self._store = store
        self._catalog = catalog
        self._jobs = jobs
        self.files = files or BatchFiles(settings)

    async def check(self, definition: BatchDefinition, owner: str) -> None:
        """Raises UnknownAgent, UnknownFile, ForbiddenUrl, NotForProviderBatches."""
        agent = self._catalog.agents.get(definition.agent)
        if agent is None:
            raise UnknownAgent(definition.agent)
        places = comma_separated(self._settings.batch_places)
        if definition.source is not None:
            require_readable(definition.source, places)
        if definition.out is not None:
            require_writable(definition.out, places)
        if definition.provider_batch and (agent.middleware or agent.mcp or any(agent.sourced_tools())):
            raise NotForProviderBatches(agent.name, "it has tools or middleware")
        if definition.provider_batch and not hasattr(agent.model_named(definition.model), "batches"):
            raise NotForProviderBatches(agent.name, "its model has none")
        if definition.file is not None and not await self.files.has_upload(owner, definition.file):
            raise UnknownFile(definition.file)

    async def create(self, definition: BatchDefinition, owner: str, batch_id: str | None = None) -> BatchRecord:
        """Begin a batch; its rows are looked at by a worker. Raises what `check` raises."""
        await self.check(definition, owner)
        batch_id = batch_id or uuid.uuid4().hex
        batch = await self._store.batches.add(new_batch(batch_id, owner, definition))
        await self._submit(batch)
        return batch

    async def pause(self, batch: BatchRecord) -> BatchRecord:
        """Begin no more rows; those under way come to their end. Raises WrongState."""
        return await self._want(batch, "pause", ("queued", "running", "waiting"))

    async def cancel(self, batch: BatchRecord) -> BatchRecord:
        """Begin no more rows, and end the ones under way; the results have what was finished."""
        changed = await self._want(batch, "cancel", OPEN)
        if changed.state in ("waiting", "paused"):  # no driver is there that would hear it
            return await self._go_on(changed, {"wanted": "cancel"})
        return changed

    async def resume(self, batch: BatchRecord) -> BatchRecord:
        """Go on, with the rows that are not finished. Raises WrongState."""
        if batch.is_over:
            raise WrongState(batch.id, batch.state)
        return await self._go_on(batch, {"wanted": "", "error": ""})

    async def retry(self, batch: BatchRecord) -> BatchRecord:
        """Have the rows that failed, and could become a message, begun anew. Raises WrongState."""
        if batch.state not in ("done", "paused", "failed", "cancelled"):
            raise WrongState(batch.id, batch.state)
        await self._store.batches.persist(batch.id)
        failures = await self._store.batches.failures(batch.id)
        rows = [row for row, reason in failures.items() if not reason.startswith(INVALID)]
        await self._store.batches.reopen_rows(batch.id, rows)
        return await self._go_on(
            batch, {"wanted": "", "error": "", "written": ""}, (*OPEN, "done", "failed", "cancelled")
        )

    async def delete(self, batch: BatchRecord) -> None:
        """Forget a batch that is over, with its results; its conversations stay. Raises WrongState."""
        if not batch.is_over:
            raise WrongState(batch.id, batch.state)
        await self.files.remove(batch.id)
        await self._store.batches.remove(batch.id, batch.owner)

    async def wake(self, batch_id: str) -> None:
        """Have a driver go on with a batch that waited for people, if there is nothing left that it waits for.

        Done again, also after a crash in between, it is the same job.
        """
        batch = await self._store.batches.get(batch_id)
        if batch is None:
            return
        if batch.state == "waiting" and not await self._store.batches.waiting(batch_id):
            await self._go_on(batch, {}, ("waiting",))
        elif batch.state == "queued" and batch.job != batch.id and await self._store.jobs.get(batch.job) is None:
            await self._submit(batch)

    async def _want(self, batch: BatchRecord, wanted: str, states: tuple[BatchState, ...]) -> BatchRecord:
        fields: dict[str, str | int] = {"wanted": wanted}
        if wanted == "pause" and batch.state == "waiting":
            fields = {"state": "paused"}
        changed = await self._store.batches.change(batch.id, states, fields)
        if changed is None:
            found = await self._store.batches.get(batch.id)
            raise WrongState(batch.id, found.state if found else "gone")
        return changed

    async def _go_on(
        self, batch: BatchRecord, fields: dict[str, str | int], states: tuple[BatchState, ...] = OPEN
    ) -> BatchRecord:
        """By another job: the one before leaves, when it sees that the batch is no longer its."""
        job = uuid.uuid4().hex
        changed = await self._store.batches.change(batch.id, states, {**fields, "state": "queued", "job": job})
        if changed is None:
            raise WrongState(batch.id, batch.state)
        await self._submit(changed)
        return changed

    async def _submit(self, batch: BatchRecord) -> None:
        payload = RunBatch(batch=batch.id)
        await self._jobs.submit(RUN_BATCH, payload, owner=batch.owner, job_id=batch.job)


def new_batch(batch_id: str, owner: str, definition: BatchDefinition) -> BatchRecord:
    """The record of a batch whose first job has its id."""
    return BatchRecord(
        id=batch_id,
        owner=owner,
        definition=definition.model_dump_json().encode(),
        state="queued",
        created_at=now_ms(),
        job=batch_id,
    )

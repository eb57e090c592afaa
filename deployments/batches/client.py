"""What people ask of batches, from outside a worker: make, pause, resume, cancel, retry what failed, delete."""

import uuid
from contextlib import suppress
from typing import Final

import orjson
import structlog

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
from store.registries.jobs import JobRecord

log = structlog.get_logger(__name__)

RUN_BATCH: Final = "run_batch"
OPEN: Final[tuple[BatchState, ...]] = ("queued", "running", "waiting", "paused")
DRIVEN: Final[tuple[BatchState, ...]] = ("queued", "running")
"""In these a job has to be there that brings the batch on."""
INVALID: Final = "not_valid"
UNKNOWN_MS: Final = 3_600_000
"""A batch that was listed so long ago, and has no record, was never begun."""


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

    async def end_with_job(self, job: JobRecord) -> None:
        """Cancel the batch that this job drove, if it drives it still: the job was cancelled."""
        batch = await self._batch_of(job)
        if batch is not None:
            await self._cancel_without_job(batch, job.id)

    async def retry_job(self, job: JobRecord) -> str | None:
        """Go on with the batch of this job if it is not over, else with its rows that failed. Raises WrongState."""
        batch = await self._batch_of(job)
        if batch is None:
            return None
        if batch.state in DRIVEN and batch.job != job.id:
            raise WrongState(batch.id, batch.state)
        return (await (self.retry(batch) if batch.is_over else self.resume(batch))).job

    async def follow_jobs(self) -> None:
        """Have each open batch follow what has become of its job, where it has not heard of that.

        A cancelled job cancels it, a failed one fails it, and without one it gets one: the process that had to say so
        has died in between.
        """
        for batch_id, at in await self._store.batches.open_batches():
            batch = await self._store.batches.get(batch_id)
            if batch is None and at < now_ms() - UNKNOWN_MS:
                await self._store.batches.forget_open(batch_id)
            elif batch is not None and batch.is_over:
                await self._close(batch_id)
            elif batch is not None and batch.state in DRIVEN:
                await self._follow_job(batch)
            elif batch is not None and batch.wanted == "cancel":  # it came when the driver was about to leave
                await self._cancel_without_job(batch, batch.job)

    async def _batch_of(self, job: JobRecord) -> BatchRecord | None:
        """The batch that a job of its owner is about; a new one has the id of the job that has begun it."""
        batch = await self._store.batches.get(orjson.loads(job.payload).get("batch") or job.id)
        return None if batch is None or batch.owner != job.owner else batch

    async def _close(self, batch_id: str) -> None:
        await self._store.batches.forget_open(batch_id)
        batch = await self._store.batches.get(batch_id)
        if batch is not None and not batch.is_over:  # it was begun anew at this moment
            await self._store.batches.note_open(batch_id, now_ms())

    async def _follow_job(self, batch: BatchRecord) -> None:
        jobs = await self._store.jobs.get_heads([batch.job])
        if not jobs:
            await self._submit(batch)
            return
        (job,) = jobs
        if not job.is_over:
            return
        log.warning("batch_without_job", batch_id=batch.id, job_id=job.id, state=job.state)
        if job.state == "cancelled" or batch.wanted == "cancel":
            await self._cancel_without_job(batch, job.id)
        elif job.state == "succeeded":
            with suppress(WrongState):
                await self._go_on(batch, {}, DRIVEN, after=job.id)
        else:
            fields: dict[str, str | int] = {"state": "failed", "error": job.error or job.state, "finished_at": now_ms()}
            if await self._store.batches.change(batch.id, DRIVEN, fields, job=job.id):
                await self._store.batches.keep_for(batch.id, round(86_400_000 * self._settings.batch_days))

    async def _cancel_without_job(self, batch: BatchRecord, job_id: str) -> None:
        """By another job: it ends the rows under way, and writes the results of the finished ones."""
        with suppress(WrongState):  # it is over, or another job has it already
            await self._go_on(batch, {"wanted": "cancel"}, after=job_id)

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
        self,
        batch: BatchRecord,
        fields: dict[str, str | int],
        states: tuple[BatchState, ...] = OPEN,
        after: str = "",
    ) -> BatchRecord:
        """By another job: the one before leaves, when it sees that the batch is no longer its.

        With `after` only if that job drives it still, or did so last.
        """
        job = uuid.uuid4().hex
        await self._store.batches.note_open(batch.id, now_ms())
        fields = {**fields, "state": "queued", "job": job}
        changed = await self._store.batches.change(batch.id, states, fields, job=after)
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

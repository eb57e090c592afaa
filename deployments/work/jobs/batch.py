"""The job `run_batch`: begins a batch, or goes on with one; a schedule may submit it with a definition."""

import structlog

from agents.clock import now_ms
from agents.errors import UnknownAgent
from deployments.batches.client import RUN_BATCH, BatchClient, new_batch
from deployments.batches.definition import BatchDefinition, RunBatch
from deployments.batches.driver import Driver
from deployments.batches.errors import BatchError
from deployments.batches.files import BatchFiles
from deployments.batches.row_run import BatchServices
from deployments.batches.source_file import RowsUnreadable
from deployments.batches.sources import ForbiddenUrl
from deployments.work.attempt import JobContext
from deployments.work.errors import JobFailed
from deployments.work.job_type import job
from store.registries.batches import BatchRecord

log = structlog.get_logger(__name__)

MONTH_SECONDS = 30 * 86_400.0
MANY = 1_000
"""A batch outlives many workers; one that makes no headway pauses itself long before."""


@job(RUN_BATCH, timeout=MONTH_SECONDS, retries=MANY, priority="low", schedulable=True)
async def run_batch(context: JobContext, work: RunBatch) -> None:
    """Bring a batch on as far as it goes now: to its end, or until it waits for people, or pauses."""
    services = context.services
    batches = BatchClient(services.settings, services.store, services.catalog, services.jobs)
    batch = await _find(context, work, batches)
    run = BatchServices(services.store, services.door, services.catalog)
    driver = Driver(run, services.settings, batches.files, batch, context.job_id, context.report)
    try:
        if batch.total is None:
            await _prepare(batches.files, batch)
        await driver.run()
    except RowsUnreadable as error:
        await _fail(context, batch, str(error))
    await batches.files.remove_older(services.settings.batch_days)


async def _find(context: JobContext, work: RunBatch, batches: BatchClient) -> BatchRecord:
    store = context.services.store
    if work.batch is None:
        assert work.definition is not None
        try:
            await batches.check(work.definition, context.owner)
        except (BatchError, ForbiddenUrl, UnknownAgent) as error:
            raise JobFailed(str(error)) from error
        found: BatchRecord = await store.batches.add(new_batch(context.job_id, context.owner, work.definition))
        return found
    batch: BatchRecord | None = await store.batches.get(work.batch)
    if batch is None or batch.owner != context.owner:
        raise JobFailed(f"there is no batch {work.batch}")
    return batch


async def _prepare(files: BatchFiles, batch: BatchRecord) -> None:
    """Copy the rows from where people have named them, so that they are the same however often they are read."""
    definition = BatchDefinition.model_validate_json(batch.definition)
    if definition.source is not None:
        await files.fetch(batch.id, definition.source)


async def _fail(context: JobContext, batch: BatchRecord, error: str) -> None:
    fields: dict[str, str | int] = {"state": "failed", "error": error[:500], "finished_at": now_ms()}
    await context.services.store.batches.change(batch.id, ("queued", "running"), fields)
    await context.services.store.batches.keep_for(batch.id, round(86_400_000 * context.services.settings.batch_days))
    raise JobFailed(error[:500])

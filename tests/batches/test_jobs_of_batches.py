"""A batch and the job that drives it end together, whichever of the two is told to, and whatever dies in between."""

import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from agents.clock import now_ms
from deployments.batches import client as module
from deployments.batches.client import RUN_BATCH, new_batch
from deployments.batches.definition import BatchDefinition, RunBatch
from deployments.batches.errors import WrongState
from deployments.settings import Settings
from store.registries.batches import BatchRecord
from store.registries.jobs import JobRecord
from tests.support.access_service import bearer, make_key, serving
from tests.support.api import eventually
from tests.support.batches import OWNER, BatchWorld

ROWS = [{"message": f"word {number}"} for number in range(300)]


@pytest.fixture
async def http(world: BatchWorld, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    served = settings.model_copy(update={"auth": "keys", "agents": "tests.support.batches:catalog"})
    async with serving(world.store, served) as client:
        client.headers.update(bearer(await make_key(world.store)))
        yield client


async def lost(world: BatchWorld, job_state: str, **fields: Any) -> BatchRecord:
    """A batch that says it is running, while its job has ended so, or never came to be; no worker knows of the two."""
    definition = BatchDefinition(agent="echo", file=await world.upload(ROWS[:3]))
    batch = await world.store.batches.add(new_batch(uuid.uuid4().hex, OWNER, definition))
    if job_state != "unknown":
        payload = RunBatch(batch=batch.id).model_dump_json().encode()
        job = JobRecord(batch.job, RUN_BATCH, OWNER, "low", "waiting", payload, now_ms(), now_ms())
        await world.store.jobs.add(job, now=now_ms(), kept_ms=60_000)
        assert await world.store.jobs.begin(job.id, "claim", now_ms())
        error = {"error": "its workers were lost"} if job_state == "failed" else {}
        assert await world.store.jobs.end(job.id, "claim", job_state, now_ms(), kept_ms=60_000, fields=error)  # type: ignore[arg-type]
    running = await world.store.batches.change(batch.id, ("queued",), {"state": "running", **fields})
    assert running is not None
    return running


async def test_a_batch_whose_job_is_cancelled_is_cancelled(http: httpx.AsyncClient, world: BatchWorld) -> None:
    batch = await world.begin(ROWS, concurrency=1)
    await world.until_holds(batch.id, lambda found: found.succeeded > 3)
    for _ in range(2):  # a repeat is answered alike, and cancels nothing else
        answer = await http.post(f"/v1/jobs/{batch.job}/cancel")
        assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    cancelled = await world.until(batch.id, "cancelled")
    assert cancelled.job != batch.job
    found = {result["status"] for result in await world.results(batch.id)}
    assert found - {"failed", "not_finished"} == {"succeeded", "not_run"}
    assert await world.store.batches.open_batches() == [(batch.id, pytest.approx(now_ms(), abs=60_000))]
    await world.batches.follow_jobs()
    assert await world.store.batches.open_batches() == []


async def test_a_job_that_drives_a_batch_no_more_does_not_cancel_it(world: BatchWorld) -> None:
    batch = await world.begin(ROWS, concurrency=1)
    await world.batches.pause(batch)
    paused = await world.until(batch.id, "paused")
    resumed = await world.batches.resume(paused)
    old = await world.store.jobs.get(batch.job)
    assert old is not None
    await world.batches.end_with_job(old)
    found = await world.store.batches.get(batch.id)
    assert found is not None
    assert (found.job, found.wanted) == (resumed.job, "")
    assert (await world.until(batch.id, "done")).succeeded == 300


async def test_the_job_of_another_s_batch_does_nothing_to_it(world: BatchWorld) -> None:
    batch = await world.begin(ROWS, concurrency=1)
    job = await world.store.jobs.get(batch.job)
    assert job is not None
    stolen = JobRecord(job.id, RUN_BATCH, "acme/eve", "low", "cancelled", job.payload, 1, 1)
    await world.batches.end_with_job(stolen)
    assert await world.batches.retry_job(stolen) is None
    found = await world.store.batches.get(batch.id)
    assert found is not None
    assert (found.job, found.wanted) == (batch.job, "")


async def test_to_repeat_its_job_is_to_go_on_with_the_batch(http: httpx.AsyncClient, world: BatchWorld) -> None:
    world.fails.add("b")
    batch = await world.begin([{"message": "a"}, {"message": "b"}])
    await world.until(batch.id, "done")

    async def is_over() -> JobRecord | None:
        job = await world.store.jobs.get(batch.job)
        return job if job is not None and job.is_over else None

    job = await eventually(is_over)
    world.fails.clear()
    again = await http.post(f"/v1/jobs/{job.id}/retry")
    assert (again.status_code, again.json()["payload"]["batch"]) == (202, batch.id)
    done = await world.until_holds(batch.id, lambda found: found.state == "done" and found.succeeded == 2)
    assert done.job == again.json()["id"] != batch.job

    going = await world.store.batches.change(batch.id, ("done",), {"state": "running"})
    assert going is not None
    with pytest.raises(WrongState):
        await world.batches.retry_job(job)


@pytest.mark.parametrize(
    ("job", "wanted", "state", "error"),
    [
        ("cancelled", "", "cancelled", ""),
        ("failed", "", "failed", "its workers were lost"),
        ("expired", "", "failed", "expired"),
        ("failed", "cancel", "cancelled", ""),
        ("succeeded", "", "done", ""),
        ("unknown", "", "done", ""),
    ],
)
async def test_a_batch_that_has_not_heard_of_its_job_follows_it(
    world: BatchWorld, job: str, wanted: str, state: str, error: str
) -> None:
    batch = await lost(world, job, **({"wanted": wanted} if wanted else {}))
    await world.batches.follow_jobs()
    over = await world.until(batch.id, state)
    assert (over.error, over.finished_at is not None) == (error, True)
    assert over.succeeded == (3 if state == "done" else 0)


async def test_a_cancel_that_came_as_the_driver_left_is_done(world: BatchWorld) -> None:
    batch = await lost(world, "succeeded", wanted="cancel", state="waiting")
    await world.batches.follow_jobs()
    await world.until(batch.id, "cancelled")


async def test_a_batch_that_was_never_begun_is_forgotten(world: BatchWorld) -> None:
    listed = now_ms() - module.UNKNOWN_MS - 1
    await world.store.batches.note_open("nothing", listed)
    await world.store.batches.note_open("a moment ago", now_ms())
    await world.batches.follow_jobs()
    assert [batch_id for batch_id, _ in await world.store.batches.open_batches()] == ["a moment ago"]

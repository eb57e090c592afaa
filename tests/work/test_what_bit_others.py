"""What went wrong in other systems with jobs, case by case; here it does not happen."""

import asyncio
from pathlib import Path

from pydantic import BaseModel

from agents.clock import now_ms
from deployments.work.attempt import JobContext
from deployments.work.client import JobClient
from deployments.work.failure_audit import FailureAudit
from deployments.work.job_type import PLACES, job
from deployments.work.worker import JobWorker
from store import Store
from tests.support.api import eventually
from tests.support.job_types import Note
from tests.work.conftest import OWNER, Ended

CLIENTS: list[JobClient] = []


class Round(BaseModel):
    """One of a chain of jobs, each of which submits the next."""

    number: int


@job(retries=3)
async def go_round(context: JobContext, round_: Round) -> None:
    """Submit the next one, as what recurs often does, then fail."""
    if round_.number < 2:
        await CLIENTS[0].submit(
            "go_round", Round(number=round_.number + 1), owner=OWNER, name=f"round {round_.number + 1}", delay=600
        )
    raise ValueError("a secret of the job")


async def test_a_failing_job_that_schedules_itself_does_not_multiply_with_its_retries(
    jobs: JobClient, worker: JobWorker, store: Store, ended: Ended
) -> None:
    CLIENTS[:] = [jobs]
    first = await ended(await jobs.submit("go_round", Round(number=0), owner=OWNER, name="round 0"))
    assert (first.state, first.attempts) == ("failed", 4)
    found, _ = await store.jobs.list(OWNER, limit=10)
    assert sorted((one.name, one.state) for one in found) == [("round 0", "failed"), ("round 1", "waiting")]
    await jobs.cancel(next(one for one in found if not one.is_over))


async def test_an_expired_job_does_not_stay_pending(
    jobs: JobClient, worker: JobWorker, store: Store, ended: Ended, ledger: Path
) -> None:
    job_id = await jobs.submit("write_note", Note(ledger=ledger), owner=OWNER, expires_at=now_ms() - 1)
    assert (await ended(job_id)).state == "expired"
    assert await store.jobs.list_open(now_ms() + 10**9, 10) == []
    assert not ledger.exists()


async def test_a_reminder_that_was_dismissed_is_not_delivered(
    jobs: JobClient, worker: JobWorker, store: Store, ended: Ended, ledger: Path
) -> None:
    job_id = await jobs.submit("write_note", Note(ledger=ledger, text="dismissed"), owner=OWNER, delay=0.3)
    record = await store.jobs.get(job_id)
    assert record is not None
    await jobs.cancel(record)
    later = await jobs.submit("write_note", Note(ledger=ledger, text="later"), owner=OWNER, delay=0.6)
    assert (await ended(later)).state == "succeeded"
    assert ledger.read_text() == "later\n"


async def test_a_worker_begins_no_more_jobs_than_it_has_places(
    jobs: JobClient, worker: JobWorker, store: Store, ended: Ended, ledger: Path
) -> None:
    most = PLACES["normal"]
    slow = [await jobs.submit("write_slowly", Note(ledger=ledger, seconds=600), owner=OWNER) for _ in range(most + 4)]

    async def states() -> list[str]:
        return sorted(one.state for one in await store.jobs.get_heads(slow))

    async def is_full() -> bool:
        return (await states()).count("running") == most

    await eventually(is_full)
    # Jobs of other places come and go meanwhile, so the worker does look for more.
    assert (await ended(await jobs.submit("write_at_once", Note(ledger=ledger), owner=OWNER))).state == "succeeded"
    assert await states() == ["running"] * most + ["waiting"] * 4
    found = await asyncio.gather(*(store.jobs.get(job_id) for job_id in slow))
    await asyncio.gather(*(jobs.cancel(one) for one in found if one is not None))


async def test_the_text_of_an_exception_reaches_neither_a_client_nor_the_audit(
    jobs: JobClient, worker: JobWorker, store: Store, ended: Ended, ledger: Path
) -> None:
    failed = await ended(await jobs.submit("write_note", Note(ledger=ledger, mood="fails"), owner=OWNER))
    told = repr(failed) + repr(await FailureAudit(store, now_ms).find(limit=10))
    assert "ValueError" in told
    assert "a secret of the job" not in told


# No drain at shutdown: tests/work/test_jobs.py, test_a_worker_that_stops_hands_back_what_it_cannot_finish.
# The failure recorder itself fails: tests/work/test_jobs.py, test_an_audit_that_cannot_be_written_fails_no_job.

"""A job's life: done once, tried again, refused, expired, cancelled; its record says how it went."""

import asyncio
from pathlib import Path

import orjson
import pytest
from pydantic import ValidationError

from agents.clock import now_ms
from deployments.work.client import JobClient
from deployments.work.errors import UnknownJobType
from deployments.work.failure_audit import MAX_PAYLOAD_CHARS, FailureAudit
from deployments.work.queues import Queues
from deployments.work.worker import JobWorker
from store import Store
from store.registries.jobs import JobRecord
from tests.support.api import eventually
from tests.support.job_types import Note
from tests.work.conftest import OWNER, Ended


async def test_a_job_is_done_and_its_result_kept(
    jobs: JobClient, worker: JobWorker, ended: Ended, ledger: Path
) -> None:
    job = await ended(await jobs.submit("write_note", Note(ledger=ledger, text="one"), owner=OWNER))

    assert (job.state, job.attempts, job.owner) == ("succeeded", 1, OWNER)
    assert job.result == b'{"lines":1}'
    assert ledger.read_text() == "one\n"


async def test_a_failure_is_tried_again(
    jobs: JobClient, worker: JobWorker, store: Store, ended: Ended, ledger: Path
) -> None:
    job = await ended(await jobs.submit("write_note", Note(ledger=ledger, mood="fails_once"), owner=OWNER))

    assert (job.state, job.attempts) == ("succeeded", 2)
    (failure,) = await FailureAudit(store, now_ms).find(limit=10)
    assert (failure["job"], failure["stage"], failure["attempt"]) == (job.id, "run", 1)


async def test_after_the_last_retry_it_has_failed(
    jobs: JobClient, worker: JobWorker, store: Store, ended: Ended, ledger: Path
) -> None:
    job = await ended(await jobs.submit("write_note", Note(ledger=ledger, mood="fails"), owner=OWNER))

    assert (job.state, job.attempts) == ("failed", 3)
    assert job.error == "ValueError (the logs say more)"  # never the text, which may hold what is not its reader's
    assert len(await FailureAudit(store, now_ms).find(limit=10, type_name="write_note")) == 3


async def test_what_no_attempt_can_save_fails_at_once(
    jobs: JobClient, worker: JobWorker, ended: Ended, ledger: Path
) -> None:
    job = await ended(await jobs.submit("write_note", Note(ledger=ledger, mood="hopeless"), owner=OWNER))

    assert (job.state, job.attempts, job.error) == ("failed", 1, "there is no such note")


async def test_an_unknown_type_is_refused(jobs: JobClient) -> None:
    with pytest.raises(UnknownJobType, match="there is no job type nothing"):
        await jobs.submit("nothing", {}, owner=OWNER)


async def test_a_payload_is_checked_when_it_is_submitted(jobs: JobClient) -> None:
    with pytest.raises(ValidationError):
        await jobs.submit("write_note", {"ledger": 3}, owner=OWNER)


@pytest.mark.parametrize(
    ("kind", "payload", "stage"), [("forgotten", b"{}", "type"), ("write_note", b'{"ledger": 3}', "payload")]
)
async def test_what_newer_code_has_submitted_fails_without_retry(
    store: Store, queues: Queues, worker: JobWorker, ended: Ended, kind: str, payload: bytes, stage: str
) -> None:
    now = now_ms()
    await store.jobs.add(JobRecord("j1", kind, OWNER, "normal", "waiting", payload, now, now), now=now, kept_ms=1000)
    await queues.put("normal", "j1", now)

    job = await ended("j1")

    assert (job.state, job.attempts) == ("failed", 1)
    assert [failure["stage"] for failure in await FailureAudit(store, now_ms).find(limit=10)] == [stage]


async def test_a_job_that_takes_too_long_has_failed(
    jobs: JobClient, worker: JobWorker, ended: Ended, ledger: Path
) -> None:
    job = await ended(await jobs.submit("write_in_time", Note(ledger=ledger, seconds=60), owner=OWNER))

    assert (job.state, job.error) == ("failed", "it took longer than 0.2 s")
    assert not ledger.exists()


async def test_a_name_is_unique_while_its_job_is_open(
    jobs: JobClient, worker: JobWorker, ended: Ended, ledger: Path
) -> None:
    note = Note(ledger=ledger, seconds=0.2)
    first = await jobs.submit("write_slowly", note, owner=OWNER, name="daily")
    second = await jobs.submit("write_slowly", note, owner=OWNER, name="daily")
    await ended(first)
    third = await jobs.submit("write_slowly", note, owner=OWNER, name="daily")
    await ended(third)

    assert first == second != third
    assert ledger.read_text() == "x\nx\n"


async def test_a_job_waits_until_it_is_due(
    jobs: JobClient, worker: JobWorker, store: Store, ended: Ended, ledger: Path
) -> None:
    later = await jobs.submit("write_note", Note(ledger=ledger, text="later"), owner=OWNER, delay=1)
    await ended(await jobs.submit("write_note", Note(ledger=ledger, text="now"), owner=OWNER))
    waiting = await store.jobs.get(later)
    assert waiting is not None
    assert waiting.state == "waiting"
    await ended(later)

    assert ledger.read_text() == "now\nlater\n"


async def test_a_job_that_is_not_begun_in_time_has_expired(
    jobs: JobClient, worker: JobWorker, ended: Ended, ledger: Path
) -> None:
    job = await ended(await jobs.submit("write_note", Note(ledger=ledger), owner=OWNER, expires_at=now_ms() - 1))

    assert (job.state, ledger.exists()) == ("expired", False)


async def test_a_job_is_cancelled_before_it_begins(jobs: JobClient, worker: JobWorker, ledger: Path) -> None:
    job = await _record(jobs, await jobs.submit("write_note", Note(ledger=ledger), owner=OWNER, delay=600))

    cancelled = await jobs.cancel(job)

    assert cancelled is not None
    assert cancelled.state == "cancelled"
    assert await jobs.cancel(job) is None


async def test_a_job_is_cancelled_while_it_is_done(
    jobs: JobClient, worker: JobWorker, store: Store, ended: Ended, ledger: Path
) -> None:
    job_id = await jobs.submit("write_slowly", Note(ledger=ledger, seconds=600), owner=OWNER)
    reported = await eventually(lambda: _progress(store, job_id))
    await jobs.cancel(await _record(jobs, job_id))

    job = await ended(job_id)

    assert orjson.loads(reported) == {"done": 1, "total": 2, "note": "half"}
    assert (job.state, ledger.exists()) == ("cancelled", False)


async def test_an_attempt_without_the_claim_cannot_say_how_it_ended(
    store: Store, jobs: JobClient, ledger: Path
) -> None:
    job_id = await jobs.submit("write_note", Note(ledger=ledger), owner=OWNER)
    await store.jobs.begin(job_id, "first", now_ms())
    await store.jobs.begin(job_id, "second", now_ms())

    assert not await store.jobs.end(job_id, "first", "failed", now_ms(), kept_ms=1000)
    assert not await store.jobs.report(job_id, "first", b"1")
    assert await store.jobs.put_off(job_id, "first", now_ms()) is None
    assert await store.jobs.end(job_id, "second", "succeeded", now_ms(), kept_ms=1000)
    assert await store.jobs.begin(job_id, "third", now_ms()) is None


async def test_a_job_without_a_place_on_its_queue_is_put_back(
    store: Store, jobs: JobClient, worker: JobWorker, ended: Ended, ledger: Path
) -> None:
    due = now_ms() - 120_000
    payload = Note(ledger=ledger).model_dump_json().encode()
    record = JobRecord("j1", "write_note", OWNER, "normal", "waiting", payload, due, due)
    await store.jobs.add(record, now=due, kept_ms=10**9)

    assert await jobs.put_back() == 1
    assert (await ended("j1")).state == "succeeded"
    assert await jobs.put_back() == 0


async def test_an_audit_that_cannot_be_written_fails_no_job(
    jobs: JobClient, worker: JobWorker, store: Store, ended: Ended, ledger: Path
) -> None:
    await store._client.redis.set(store.keys.failures, "no stream", px=60_000)

    job = await ended(await jobs.submit("write_note", Note(ledger=ledger, mood="fails_once"), owner=OWNER))

    assert job.state == "succeeded"
    await store._client.redis.delete(store.keys.failures)


async def test_the_audit_cuts_payloads_to_size(
    jobs: JobClient, worker: JobWorker, store: Store, ended: Ended, ledger: Path
) -> None:
    note = Note(ledger=ledger, mood="hopeless", text="y" * 100_000)
    await ended(await jobs.submit("write_note", note, owner=OWNER, conversation="c-1"))

    (failure,) = await FailureAudit(store, now_ms).find(limit=10, conversation="c-1")

    assert len(failure["payload"]) == MAX_PAYLOAD_CHARS
    assert await FailureAudit(store, now_ms).find(limit=10, until=failure["at"]) == []


async def test_an_urgent_job_does_not_wait_for_others(
    jobs: JobClient, worker: JobWorker, ended: Ended, ledger: Path
) -> None:
    slow = [await jobs.submit("write_slowly", Note(ledger=ledger, seconds=600), owner=OWNER) for _ in range(12)]

    assert (await ended(await jobs.submit("write_at_once", Note(ledger=ledger), owner=OWNER))).state == "succeeded"
    assert ledger.read_text() == "x\n"
    for job_id in slow:
        await jobs.cancel(await _record(jobs, job_id))


@pytest.mark.parametrize(("mood", "state"), [("", "succeeded"), ("fails", "waiting")])
async def test_a_heavy_job_runs_apart(
    store: Store, jobs: JobClient, worker: JobWorker, ledger: Path, mood: str, state: str
) -> None:
    job_id = await jobs.submit("write_heavily", Note(ledger=ledger, mood=mood), owner=OWNER)

    async def is_there() -> JobRecord | None:
        job = await store.jobs.get(job_id)
        return job if job and job.attempts > 0 and (job.error or job.is_over) else None

    job = await eventually(is_there)
    assert job.state == state or job.error == "ValueError (the logs say more)"
    await jobs.cancel(job)


async def test_a_job_that_is_over_can_be_done_once_more(
    jobs: JobClient, worker: JobWorker, ended: Ended, ledger: Path
) -> None:
    first = await ended(await jobs.submit("write_note", Note(ledger=ledger), owner=OWNER))
    second = await ended(await jobs.retry(first))

    assert second.id != first.id
    assert ledger.read_text() == "x\nx\n"


async def test_a_worker_that_stops_hands_back_what_it_cannot_finish(
    settings: object, store: Store, jobs: JobClient, worker: JobWorker, ledger: Path
) -> None:
    job_id = await jobs.submit("write_slowly", Note(ledger=ledger, seconds=600), owner=OWNER)
    await eventually(lambda: _progress(store, job_id))

    await worker.stop(0.05)

    job = await store.jobs.get(job_id)
    assert job is not None
    assert (job.state, job.attempts) == ("waiting", 0)
    await jobs.cancel(job)


async def test_lists_are_of_an_owner_or_of_all(store: Store, jobs: JobClient, ledger: Path) -> None:
    made = [await jobs.submit("write_note", Note(ledger=ledger), owner=f"acme/{n % 2}") for n in range(5)]

    first, cursor = await store.jobs.list(None, limit=3)
    rest, end = await store.jobs.list(None, limit=3, before=cursor)
    own, _ = await store.jobs.list("acme/1", limit=10)

    assert {job.id for job in (*first, *rest)} == set(made)
    assert (len(first), len(rest), end) == (3, 2, None)
    assert {job.id for job in own} == {made[1], made[3]}


async def _record(jobs: JobClient, job_id: str) -> JobRecord:
    job = await jobs._store.jobs.get(job_id)
    assert job is not None
    return job


async def _progress(store: Store, job_id: str) -> bytes | None:
    await asyncio.sleep(0)
    job = await store.jobs.get(job_id)
    return job.progress if job else None

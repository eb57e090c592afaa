"""Jobs that break off where no attempt can say so: each is found, and comes to an end."""

import asyncio
import dataclasses
from pathlib import Path
from typing import NoReturn

import pytest
from pydantic import BaseModel
from redis.asyncio import Redis

from agents.clock import now_ms
from agents.tools.remote import LocalTasks
from deployments.settings import Settings
from deployments.work import attempt
from deployments.work import client as client_module
from deployments.work.attempt import MAX_RESULT_BYTES, JobContext
from deployments.work.client import LOST_MS, MAX_PAYLOAD_BYTES, JobClient
from deployments.work.errors import PayloadTooLarge
from deployments.work.job_type import job
from deployments.work.queues import Queues
from deployments.work.supply import WorkerSupply
from deployments.work.worker import JobWorker
from store import Store
from store.registries import failures
from store.registries.jobs import JobRecord
from tests.support.api import eventually
from tests.support.job_types import Note
from tests.work.conftest import OWNER, Ended

LONG_AGO = now_ms() - 10**9


class Text(BaseModel):
    text: str = ""


@job(retries=0)
async def give_up(context: JobContext, text: Text) -> None:
    """What it waited for was cancelled, and not the job."""
    waiting = asyncio.create_task(asyncio.sleep(60))
    waiting.cancel()
    await waiting


@job(retries=0)
async def answer_oddly(context: JobContext, text: Text) -> Text:
    """Returns no model."""
    return {"text": "none"}  # type: ignore[return-value]


@job(retries=3)
async def answer_at_length(context: JobContext, text: Text) -> Text:
    """Returns more than is kept."""
    return Text(text="x" * MAX_RESULT_BYTES)


@job(kept=0)
async def leave_nothing(context: JobContext, text: Text) -> None:
    """Is not kept."""


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("give_up", "CancelledError (the logs say more)"),
        ("answer_oddly", "AttributeError (the logs say more)"),
        ("answer_at_length", f"its result has more than {MAX_RESULT_BYTES} bytes"),
    ],
)
async def test_what_a_job_does_wrong_ends_it(
    jobs: JobClient, worker: JobWorker, ended: Ended, kind: str, error: str
) -> None:
    over = await ended(await jobs.submit(kind, Text(), owner=OWNER))

    assert (over.state, over.attempts, over.error) == ("failed", 1, error)


async def test_a_job_may_be_kept_no_time(jobs: JobClient, store: Store) -> None:
    record = await store.jobs.get(await jobs.submit("leave_nothing", Text(), owner=OWNER))
    assert record is not None

    cancelled = await jobs.cancel(record)

    assert cancelled is not None
    assert cancelled.state == "cancelled"
    assert await store.jobs.get(record.id) is None


async def test_a_payload_has_a_bound(jobs: JobClient, store: Store) -> None:
    with pytest.raises(PayloadTooLarge, match=f"more than {MAX_PAYLOAD_BYTES} bytes"):
        await jobs.submit("give_up", Text(text="x" * MAX_PAYLOAD_BYTES), owner=OWNER)
    assert await store.jobs.list(None, limit=10) == ([], None)


async def test_a_time_that_no_clock_knows_is_refused_before_there_is_a_record(jobs: JobClient, store: Store) -> None:
    for delay in (float("inf"), float("nan"), 1e300):
        with pytest.raises(ValueError, match="due"):
            await jobs.submit("give_up", Text(), owner=OWNER, delay=delay)
    with pytest.raises(ValueError, match="due"):
        await jobs.submit("give_up", Text(), owner=OWNER, at=10**18)
    assert await store.jobs.list_open(2**62, 10) == []


async def test_a_name_is_of_an_owner_and_a_type(jobs: JobClient, ledger: Path) -> None:
    note = Note(ledger=ledger)
    made = [
        await jobs.submit(kind, note, owner=owner, name="daily", delay=600)
        for kind in ("write_note", "write_slowly")
        for owner in ("acme/ada", "acme/bob", "other/ada")
    ]
    assert len(set(made)) == 6
    assert await jobs.submit("write_note", note, owner="acme/bob", name="daily") == made[1]


async def test_all_that_is_missing_on_the_queues_is_put_back_and_nothing_else(
    jobs: JobClient, store: Store, queues: Queues, ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind more jobs that wait in their queue than are looked at together, and one that is done for long."""
    monkeypatch.setattr(client_module, "LOOKED_AT", 10)
    note = Note(ledger=ledger)
    queued = [await jobs.submit("write_note", note, owner=OWNER, at=LONG_AGO + n) for n in range(25)]
    await store.jobs.begin(queued[0], "a", LONG_AGO)
    lost = await _lose(store, "write_note", LONG_AGO + 100)
    broken_off = await _lose(store, "write_slowly", LONG_AGO + 101)
    await store.jobs.begin(broken_off, "b", now_ms() - LOST_MS - 1)
    alive = await _lose(store, "write_slowly", LONG_AGO + 102)
    await store.jobs.begin(alive, "c", now_ms() - 20_000)

    assert await jobs.put_back() == 2
    assert set(await queues.missing([*queued, lost, broken_off, alive])) == {alive}
    assert await jobs.put_back() == 0


async def test_a_worker_starts_for_a_job_that_is_on_no_queue(
    jobs: JobClient, store: Store, settings: Settings, ledger: Path
) -> None:
    held: list[float] = []

    async def hold(seconds: float) -> None:
        held.append(seconds)
        await asyncio.sleep(seconds)

    supply = WorkerSupply(settings, store, hold)
    later = await jobs.submit("write_note", Note(ledger=ledger), owner=OWNER, delay=600)
    await supply.look()
    await asyncio.sleep(0)
    assert held == []
    await _lose(store, "write_note", LONG_AGO)
    await supply.look()
    await asyncio.sleep(0)

    assert len(held) == 1
    assert (await store.jobs.get(later)) is not None
    for task in supply._held:
        task.cancel()


async def test_a_cancel_that_broke_off_stops_the_worker_when_it_is_repeated(
    jobs: JobClient, store: Store, queues: Queues, settings: Settings, ledger: Path
) -> None:
    record = await _get(store, await jobs.submit("write_note", Note(ledger=ledger), owner=OWNER, delay=600))
    await store.jobs.cancel(record.id, now_ms(), kept_ms=60_000)
    async with Redis.from_url(str(settings.redis_url)) as client:
        queue = f"{store.keys.queue('normal')}:queue"
        assert await client.zcard(queue) == 1
        assert await jobs.cancel(record) is None
        assert await client.zcard(queue) == 0


async def _lose(store: Store, kind: str, due_at: int) -> str:
    """A job whose process died before the job was on its queue, or whose queue has lost it."""
    now = now_ms()
    payload = Note(ledger=Path("/nowhere")).model_dump_json().encode()
    record = JobRecord(f"lost-{due_at}", kind, OWNER, "normal", "waiting", payload, now, due_at)
    return await store.jobs.add(record, now=now, kept_ms=10**9)


async def _get(store: Store, job_id: str) -> JobRecord:
    job = await store.jobs.get(job_id)
    assert job is not None
    return job


async def test_lists_are_without_what_is_large(jobs: JobClient, store: Store) -> None:
    job_id = await jobs.submit("give_up", Text(text="x" * 1000), owner=OWNER, name="n")

    [listed], _ = await store.jobs.list(OWNER, limit=10)
    whole = await _get(store, job_id)

    assert listed == dataclasses.replace(whole, payload=b"")


async def test_failures_have_a_bound(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "MAX_ENTRIES", 100)
    for n in range(500):
        await store.failures.add(str(n).encode(), now=now_ms(), kept_ms=10**9)

    kept = [entry async for entry in store.failures.walk(0, now_ms() + 1000)]

    assert 100 <= len(kept) <= 200
    assert kept[0] == b"499"


async def test_a_job_whose_queue_is_away_is_taken(store: Store, settings: Settings) -> None:
    """Its record is there: who got an error would submit it once more."""
    away = Queues(Settings(redis_url="redis://127.0.0.1:1", prefix=settings.prefix))
    jobs = JobClient(store, away)

    record = await _get(store, await jobs.submit("give_up", Text(), owner=OWNER))
    assert record.state == "waiting"
    assert (await jobs.cancel(record)) is not None
    await away.aclose()


async def test_no_attempt_begins_beside_one_that_goes_on(
    jobs: JobClient, store: Store, queues: Queues, settings: Settings, ended: Ended, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Docket hands a job to another worker when the first has lost its connection, though that goes on."""
    monkeypatch.setattr(attempt, "ALIVE_SECONDS", 0.5)
    job_id = await jobs.submit("write_note", Note(ledger=Path("/dev/null"), mood="hopeless"), owner=OWNER)
    delays: list[float] = []

    def again(seconds: float) -> NoReturn:
        delays.append(seconds)
        raise RuntimeError

    await store.jobs.begin(job_id, "first", now_ms())
    attempts = attempt.Attempts(store, None, LocalTasks())
    with pytest.raises(RuntimeError):
        await attempts.run(job_id, again)
    assert delays == [0.5]
    assert await store.jobs.renew(job_id, "first", now_ms() - 10_000)
    await attempts.run(job_id, again)

    job = await ended(job_id)
    assert (job.state, job.attempts) == ("failed", 2)
    assert not await store.jobs.renew(job_id, "first", now_ms())


async def test_an_attempt_that_has_lost_its_claim_stops(
    jobs: JobClient, store: Store, ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt, "RENEWAL_SECONDS", 0.01)
    job_id = await jobs.submit("write_slowly", Note(ledger=ledger, seconds=600), owner=OWNER)

    def again(seconds: float) -> NoReturn:
        raise RuntimeError

    late = asyncio.create_task(attempt.Attempts(store, None, LocalTasks()).run(job_id, again))
    await eventually(lambda: _is_running(store, job_id))
    await store.jobs.begin(job_id, "another", now_ms())
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(late, 10)
    record = await _get(store, job_id)
    assert (record.claim, record.state, ledger.exists()) == ("another", "running", False)


async def _is_running(store: Store, job_id: str) -> bool:
    job = await store.jobs.get(job_id)
    return job is not None and job.state == "running"

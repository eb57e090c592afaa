"""One attempt to do a job: claimed, bounded in time, and settled; what fails is tried again, or said."""

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

import orjson
import structlog
from pydantic import BaseModel, ValidationError

from agents.clock import now_ms
from agents.ports import Tasks
from deployments.metrics import table
from deployments.metrics.recorder import Recorder
from deployments.work.errors import JobFailed, UnknownJobType
from deployments.work.failure_audit import FailureAudit
from deployments.work.job_type import JOB_TYPES, KEPT_SECONDS, JobType, retry_delay
from store import Store, StoreError
from store.registries.jobs import JobRecord, JobState

log = structlog.get_logger(__name__)

MAX_ERROR_CHARS = 500
MAX_NOTE_CHARS = 500
MAX_RESULT_BYTES = 1 << 20
REPORT_SECONDS = 1.0
"""Progress that comes faster is dropped, but for the last."""

HANDED_BACK_SECONDS = 1.0
"""When a job that is handed back is due: a worker that is about to end asks no more by then."""


RENEWAL_SECONDS = 5.0
ALIVE_SECONDS = 20.0
"""For so long after its last renewal an attempt counts as alive. Docket gives a job to another worker also when the
first one has only lost its connection to Redis, and goes on."""


class Again(Protocol):
    """Tells docket when the same job is to be done again; never returns."""

    def __call__(self, seconds: float) -> NoReturn: ...


@dataclass(slots=True)
class JobContext:
    """What an `async` job gets: who it is, and what it may use. `attempt` counts from 1.

    `services` is what the worker was made with: see `deployments.work.worker.WorkServices`.
    """

    job_id: str
    owner: str
    attempt: int
    services: Any
    conversation: str | None
    _attempts: "Attempts"
    _claim: str
    _reported_at: float = float("-inf")

    @property
    def tasks(self) -> Tasks:
        """Runs functions in processes of their own, anywhere in the cluster."""
        return self._attempts.tasks

    async def report(self, done: int, total: int | None = None, note: str = "") -> None:
        """Say how far it is. Raises `JobFailed` when the job has been cancelled, or another worker has taken it."""
        now = asyncio.get_running_loop().time()
        if now - self._reported_at < REPORT_SECONDS and done != total:
            return
        self._reported_at = now
        progress = orjson.dumps({"done": done, "total": total, "note": note[:MAX_NOTE_CHARS]})
        if not await self._attempts.store.jobs.report(self.job_id, self._claim, progress):
            raise JobFailed("the claim is lost")


class Attempts:
    """Does jobs, one attempt at a time each; one per worker process."""

    def __init__(
        self,
        store: Store,
        services: object,
        tasks: Tasks,
        *,
        types: Mapping[str, JobType] = JOB_TYPES,
        clock: Callable[[], int] = now_ms,
        recorder: Recorder | None = None,
    ) -> None:
        self.store = store
        self._recorder = recorder or Recorder()
        self._services = services
        self.tasks = tasks
        self._types = types
        self._clock = clock
        self._audit = FailureAudit(store, clock)
        self.is_draining = False
        """Whether the worker is about to end: a job that is stopped then goes back to the queue."""

    async def run(self, job_id: str, again: Again) -> None:
        """Make the next attempt. A retry ends in `again`; nothing else is raised but what a lost store raises."""
        if self.is_draining:  # docket had asked for it before it heard of the end
            again(HANDED_BACK_SECONDS)
        if await self._is_alive(job_id):
            again(ALIVE_SECONDS)
        claim = secrets.token_hex(8)
        job = await self.store.jobs.begin(job_id, claim, self._clock())
        if job is None:
            return  # it is over: done by an attempt that was believed lost, or cancelled
        kind = self._types.get(job.type)
        if kind is None:
            await self._fail(job, claim, str(UnknownJobType(job.type)), stage="type")
        elif job.attempts == 1 and job.expires_at is not None and job.expires_at <= self._clock():
            await self._end(job, claim, kind, "expired", {"error": "it was not begun in time"})
        elif job.attempts > kind.retries + 1:
            await self._fail(job, claim, "its workers were lost", stage="worker")
        else:
            await self._do(job, claim, kind, again)

    async def _is_alive(self, job_id: str) -> bool:
        """Whether another attempt goes on."""
        for job in await self.store.jobs.get_heads([job_id]):
            if job.state == "running" and job.alive_at is not None:
                return abs(self._clock() - job.alive_at) < 1000 * ALIVE_SECONDS
        return False

    async def _renew(self, job: JobRecord, claim: str, attempt: "asyncio.Task[Any]") -> None:
        """Say again and again that the attempt goes on; stop it when it has lost its claim."""
        while True:
            await asyncio.sleep(RENEWAL_SECONDS)
            try:
                if not await self.store.jobs.renew(job.id, claim, self._clock()):
                    attempt.cancel()
                    return
            except StoreError as error:
                log.warning("job_not_renewed", job_id=job.id, cause=str(error))

    async def _do(self, job: JobRecord, claim: str, kind: JobType, again: Again) -> None:
        try:
            payload = kind.payload.model_validate_json(job.payload)
        except ValidationError as error:  # code has changed since it was submitted
            await self._fail(job, claim, f"its payload is not valid: {error.error_count()} problems", stage="payload")
            return
        limit = asyncio.timeout(kind.timeout)
        try:
            async with limit:
                found = _encode(await self._call(job, claim, kind, payload))
        except asyncio.CancelledError as error:
            if not _is_being_cancelled():  # what it waited for was
                await self._note_failure(job, claim, kind, error, _sentence(error), again)
                return
            if self.is_draining:  # nothing was wrong with it, so this one does not count
                await self.store.jobs.put_off(job.id, claim, self._clock(), counts=False)
                self._recorder.count(table.JOBS, job.type, "handed_back")
                again(HANDED_BACK_SECONDS)
            raise
        except JobFailed as error:
            await self._fail(job, claim, str(error), stage="run")
        except Exception as error:  # noqa: BLE001 - a job's error is its own; it is logged
            sentence = f"it took longer than {kind.timeout:g} s" if limit.expired() else _sentence(error)
            await self._note_failure(job, claim, kind, error, sentence, again)
        else:
            if await self._end(job, claim, kind, "succeeded", found):
                log.info("job_succeeded", job_id=job.id, type=job.type, attempt=job.attempts)

    async def _call(self, job: JobRecord, claim: str, kind: JobType, payload: BaseModel) -> BaseModel | None:
        context = JobContext(job.id, job.owner, job.attempts, self._services, job.conversation, self, claim)
        attempt = asyncio.current_task()
        assert attempt is not None
        renewing, begun = asyncio.create_task(self._renew(job, claim, attempt)), time.monotonic()
        try:
            if not kind.is_heavy:
                return await kind.run(context, payload)
            (name,) = kind.run.__annotations__.keys() - {"return"}
            result: BaseModel | None = await self.tasks.run(kind.run, {name: payload}, kind.resources, lambda _: None)
            return result
        finally:
            renewing.cancel()
            self._recorder.observe(table.JOB_SECONDS, time.monotonic() - begun, job.type)

    async def _note_failure(
        self, job: JobRecord, claim: str, kind: JobType, cause: BaseException, error: str, again: Again
    ) -> None:
        log.warning("job_attempt_failed", job_id=job.id, type=job.type, attempt=job.attempts, exc_info=cause)
        if job.attempts > kind.retries:
            await self._fail(job, claim, error, stage="run")
            return
        await self._audit.add(job, "run", error)
        seconds = retry_delay(job.attempts)
        due_at = self._clock() + round(1000 * seconds)
        if await self.store.jobs.put_off(job.id, claim, due_at, error=error) is not None:
            self._recorder.count(table.JOBS, job.type, "retried")
            log.warning("job_put_off", job_id=job.id, type=job.type, attempt=job.attempts, cause=error)
            again(seconds)

    async def _fail(self, job: JobRecord, claim: str, error: str, *, stage: str) -> None:
        kind = self._types.get(job.type)
        await self._audit.add(job, stage, error)
        if await self._end(job, claim, kind, "failed", {"error": error[:MAX_ERROR_CHARS]}):
            log.warning("job_failed", job_id=job.id, type=job.type, stage=stage, cause=error)

    async def _end(
        self, job: JobRecord, claim: str, kind: JobType | None, state: JobState, fields: Mapping[str, Any]
    ) -> bool:
        kept_ms = round(1000 * (kind.kept if kind else KEPT_SECONDS))
        ended = await self.store.jobs.end(job.id, claim, state, self._clock(), kept_ms=kept_ms, fields=fields)
        self._recorder.count(table.JOBS, job.type, state if ended else "claim_lost")
        if not ended:
            log.warning("job_claim_lost", job_id=job.id, type=job.type, outcome=state)
        return ended


def _encode(result: BaseModel | None) -> dict[str, bytes]:
    """The field `result` of the record. Raises JobFailed for one that is too large."""
    if result is None:
        return {}
    encoded = result.model_dump_json().encode()
    if len(encoded) > MAX_RESULT_BYTES:
        raise JobFailed(f"its result has more than {MAX_RESULT_BYTES} bytes")
    return {"result": encoded}


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _sentence(error: BaseException) -> str:
    """What people read of an unexpected error: its kind, never its text, which may hold what is not theirs."""
    return f"{type(error).__name__} (the logs say more)"

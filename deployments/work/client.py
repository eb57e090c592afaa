"""What the service does with jobs from outside a worker: submit, cancel, retry, and put lost ones back."""

import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import structlog
from pydantic import BaseModel
from redis.exceptions import RedisError

from agents.clock import now_ms
from deployments.work.errors import PayloadTooLarge, UnknownJobType
from deployments.work.job_type import JOB_TYPES, KEPT_SECONDS, JobType, Priority
from deployments.work.queues import Queues
from store import Store
from store.registries.jobs import JobRecord

log = structlog.get_logger(__name__)

LISTED_MS = 366 * 86_400_000
"""How long the lists remember a job."""
LOST_MS = 60_000
"""A job that has been due for so long, and is not being done, may be missing in its queue."""
LOOKED_AT = 500
"""How many jobs are looked at together."""
MAX_UNTOLD_MS = 86_400_000
"""After so long an attempt has ended whose worker, of earlier code, does not say that it goes on."""
MAX_PAYLOAD_BYTES = 1 << 20
MAX_TIME_MS = 10**15


class JobResource(Protocol):
    """What jobs of a type work for, where that has a state of its own: it hears of what people do to its jobs."""

    async def end_with_job(self, job: JobRecord) -> None:
        """The job was cancelled. Done again, it changes nothing."""

    async def retry_job(self, job: JobRecord) -> str | None:
        """The job that takes it up again; None if there is no such thing, and the job is repeated like any other."""


class JobClient:
    """One per process. Every call may raise `store.StoreUnavailable`."""

    def __init__(
        self,
        store: Store,
        queues: Queues,
        *,
        types: Mapping[str, JobType] = JOB_TYPES,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self._store = store
        self._queues = queues
        self._types = types
        self._clock = clock
        self._resources: dict[str, JobResource] = {}

    def add_resource(self, type_name: str, resource: JobResource) -> None:
        """Tell it when a job of that type is cancelled here, and ask it when one is to be repeated."""
        self._resources[type_name] = resource

    async def submit(
        self,
        type_name: str,
        payload: BaseModel | Mapping[str, Any],
        *,
        owner: str,
        name: str = "",
        delay: float = 0,
        at: int | None = None,
        expires_at: int | None = None,
        priority: Priority | None = None,
        conversation: str | None = None,
        job_id: str | None = None,
    ) -> str:
        """Have a job done, and return its id: that of the owner's open job with this type and `name`, if there is one.

        It is due after `delay` seconds, or at `at` (ms). If no attempt has begun at `expires_at` (ms), none will. The
        same `job_id` again is the same job. Raises UnknownJobType, PayloadTooLarge, pydantic's ValidationError for the
        payload, and ValueError for a time that no clock knows.
        """
        kind = self._types.get(type_name)
        if kind is None:
            raise UnknownJobType(type_name)
        checked = payload if isinstance(payload, kind.payload) else kind.payload.model_validate(payload)
        encoded = checked.model_dump_json().encode()
        if len(encoded) > MAX_PAYLOAD_BYTES:
            raise PayloadTooLarge(len(encoded), MAX_PAYLOAD_BYTES)
        now = self._clock()
        job = JobRecord(
            id=job_id or uuid.uuid4().hex,
            type=type_name,
            owner=owner,
            priority=priority or kind.priority,
            state="waiting",
            payload=encoded,
            created_at=now,
            due_at=_due_at(now, delay, at),
            name=name,
            expires_at=expires_at,
            conversation=conversation,
        )
        kept = await self._store.jobs.add(job, now=now, kept_ms=LISTED_MS)
        if kept == job.id:  # the record comes first: one that a crash left without its place is put back
            await self._tell_queue(self._queues.put(kind_priority(job), job.id, job.due_at), job.id)
        return kept

    async def cancel(self, job: JobRecord) -> JobRecord | None:
        """End a job and what it works for, and stop a worker that does it; None if it was over before."""
        ended = await self._store.jobs.cancel(job.id, self._clock(), kept_ms=self._kept_ms(job))
        # Also when it was over before: the one who has cancelled it may have died in between.
        await self._tell_queue(self._queues.take_out(kind_priority(job), job.id), job.id)
        known = ended or await self._store.jobs.get(job.id)
        if job.type in self._resources and known is not None and known.state == "cancelled":
            await self._resources[job.type].end_with_job(known)
        return ended

    async def retry(self, job: JobRecord) -> str:
        """Have a job that is over done once more, as a new job with the same payload; its id.

        Raises UnknownJobType, and pydantic's ValidationError for a payload of earlier code; and what the resource
        raises that the job works for, if it has one.
        """
        resource = self._resources.get(job.type)
        again = None if resource is None else await resource.retry_job(job)
        if again is not None:
            return again
        return await self.submit(
            job.type,
            self._types[job.type].payload.model_validate_json(job.payload) if job.type in self._types else {},
            owner=job.owner,
            name=job.name,
            conversation=job.conversation,
        )

    async def put_back(self) -> int:
        """Put jobs back on their queues that are due and missing there, such as after a crash; how many.

        So is a job that no worker does any more, and of which its queue knows nothing.
        """
        before, start, count = self._clock() - LOST_MS, 0, 0
        while job_ids := await self._store.jobs.list_open(before, LOOKED_AT, start):
            missing = await self._queues.missing(job_ids)
            found = {job.id: job for job in await self._store.jobs.get_heads(missing)}
            gone = [job_id for job_id in missing if job_id not in found]
            await self._store.jobs.forget(gone)
            lost = [job for job in found.values() if self._is_lost(job)]
            for job in lost:
                await self._queues.put(kind_priority(job), job.id, job.due_at)
            count += len(lost)
            start += len(job_ids) - len(gone)
        return count

    async def _tell_queue(self, telling: Awaitable[None], job_id: str) -> None:
        """The record says it already, so a caller who got an error would do again what is done."""
        try:
            await telling
        except (RedisError, OSError) as error:
            log.warning("queue_not_told", job_id=job_id, cause=str(error))

    def _is_lost(self, job: JobRecord) -> bool:
        """Whether no worker can be about to say how it goes on."""
        if job.state != "running":
            return not job.is_over
        last = job.alive_at or (job.started_at or 0) + MAX_UNTOLD_MS
        return last < self._clock() - LOST_MS

    def _kept_ms(self, job: JobRecord) -> int:
        kind = self._types.get(job.type)
        return round(1000 * (kind.kept if kind else KEPT_SECONDS))


def _due_at(now: int, delay: float, at: int | None) -> int:
    """In ms, as `now` and `at`. Raises ValueError."""
    due_at = now + delay * 1000 if at is None else at
    if not 0 <= due_at < MAX_TIME_MS:
        raise ValueError(f"a job cannot be due at {due_at}")
    return round(due_at)


def kind_priority(job: JobRecord) -> Priority:
    """The queue that a job is on; a priority that this code does not know any more is the middle one."""
    match job.priority:
        case "high" | "low" as priority:
            return priority
        case _:
            return "normal"

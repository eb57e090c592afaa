"""The record of every job: what is to be done, how far it is, and how it ended. Who does it is docket's business."""

import builtins
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from store.client.client import Client, Reply
from store.client.lease import Lease
from store.client.script import ADD_JOB, CHANGE_JOB, Argument, pairs
from store.keys import Keys
from store.principals import tenant_name_of
from store.registries.newest import newest

JobState = Literal["waiting", "running", "succeeded", "failed", "cancelled", "expired"]
OPEN_STATES: tuple[JobState, ...] = ("waiting", "running")

Fields = Mapping[str, str | bytes | int]
NO_FIELDS: Fields = {}


@dataclass(frozen=True, slots=True)
class JobRecord:
    """Times are milliseconds since 1970; `payload`, `progress` and `result` are JSON.

    `attempts` counts the ones begun. A job that waits is due at `due_at`: for the first time, or again. `claim`
    names the attempt that may say how the job goes on; its worker last said at `alive_at` that it does it. `error` is
    a sentence for people, `conversation` the one that the job is about, if there is one.
    """

    id: str
    type: str
    owner: str
    priority: str
    state: JobState
    payload: bytes
    created_at: int
    due_at: int
    attempts: int = 0
    name: str = ""
    claim: str = ""
    expires_at: int | None = None
    started_at: int | None = None
    finished_at: int | None = None
    progress: bytes | None = None
    result: bytes | None = None
    error: str | None = None
    conversation: str | None = None
    alive_at: int | None = None

    @property
    def is_over(self) -> bool:
        """Whether it has ended, in success or not."""
        return self.state not in OPEN_STATES


class Jobs:
    """Keeps the records. Every call may raise StoreUnavailable."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    async def add(self, job: JobRecord, *, now: int, kept_ms: int) -> str:
        """Keep a new job; its id, or that of the owner's open job that has its type and `name`.

        The lists forget jobs that were made more than `kept_ms` ago.
        """
        unique = "\0".join((job.owner, job.type, job.name)) if job.name else ""
        arguments: list[Argument] = [job.id, now, job.due_at, unique, now - kept_ms]
        for name in ("type", "owner", "name", "priority", "payload", "created_at", "expires_at", "conversation"):
            if (value := getattr(job, name)) is not None:
                arguments += [name, value]
        keys = self._keys
        lists = [
            keys.jobs,
            keys.jobs_of(job.owner),
            keys.open_jobs,
            keys.job_names,
            keys.jobs_of_tenant(tenant_name_of(job.owner)),
        ]
        names = [keys.job(job.id), *lists]
        kept: Reply = await self._client.retry(lambda: self._client.run_confirmed(ADD_JOB, names, arguments))
        return str(kept.decode())

    async def get(self, job_id: str) -> JobRecord | None:
        """The job, if there is one, or it is still kept."""
        name = self._keys.job(job_id)
        fields: Reply = await self._client.retry(lambda: self._client.redis.hgetall(name))
        return _decode(job_id, fields) if fields else None

    async def get_many(self, job_ids: Sequence[str]) -> builtins.list[JobRecord]:
        """The jobs of these ids that are still kept, in this order."""
        if not job_ids:
            return []

        async def ask_all() -> Reply:
            pipeline = self._client.pipeline()
            for job_id in job_ids:
                pipeline.hgetall(self._keys.job(job_id))
            return await pipeline.execute()

        found = zip(job_ids, await self._client.retry(ask_all), strict=True)
        return [_decode(job_id, fields) for job_id, fields in found if fields]

    async def get_heads(self, job_ids: Sequence[str]) -> builtins.list[JobRecord]:
        """The same without payloads and results, which may be large."""
        if not job_ids:
            return []

        async def ask_all() -> Reply:
            pipeline = self._client.pipeline()
            for job_id in job_ids:
                pipeline.hmget(self._keys.job(job_id), HEAD)
            return await pipeline.execute()

        found = zip(job_ids, await self._client.retry(ask_all), strict=True)
        heads = [(job_id, dict(zip(HEAD_KEYS, values, strict=True))) for job_id, values in found]
        return [
            _decode(job_id, {key: value for key, value in {**head, b"payload": b""}.items() if value is not None})
            for job_id, head in heads
            if head[b"state"]
        ]

    async def begin(self, job_id: str, claim: str, now: int) -> JobRecord | None:
        """Begin an attempt: from now on no other claim can end it. None: the job is over, or gone."""
        fields: Fields = {"state": "running", "claim": claim, "started_at": now, "alive_at": now}
        return await self._change(job_id, OPEN_STATES, fields, attempts=1)

    async def renew(self, job_id: str, claim: str, now: int) -> bool:
        """Say that the attempt goes on; whether it still has the claim."""
        return await self._change(job_id, ("running",), {"alive_at": now}, claim=claim) is not None

    async def report(self, job_id: str, claim: str, progress: bytes) -> bool:
        """Note how far the attempt is; whether it still has the claim."""
        return await self._change(job_id, ("running",), {"progress": progress}, claim=claim) is not None

    async def put_off(
        self, job_id: str, claim: str, due_at: int, *, error: str = "", counts: bool = True
    ) -> JobRecord | None:
        """Have another attempt begin at `due_at`; None: the claim is lost. `counts` says whether this one counts."""
        fields: Fields = {"state": "waiting", "claim": "", **({"error": error} if error else {})}
        attempts = 0 if counts else -1
        return await self._change(job_id, ("running",), fields, claim=claim, attempts=attempts, due=str(due_at))

    async def end(
        self, job_id: str, claim: str, state: JobState, now: int, *, kept_ms: int, fields: Fields = NO_FIELDS
    ) -> bool:
        """End the job; it is kept for `kept_ms`. False: the claim is lost, and what another one says counts."""
        ending: Fields = {"state": state, "finished_at": now, **fields}
        ended = await self._change(job_id, OPEN_STATES, ending, claim=claim, due="over", kept_ms=kept_ms)
        return ended is not None

    async def cancel(self, job_id: str, now: int, *, kept_ms: int) -> JobRecord | None:
        """End a job that is not over, whatever does it now; None if it is over, or gone."""
        fields: Fields = {"state": "cancelled", "claim": "", "finished_at": now}
        return await self._change(job_id, OPEN_STATES, fields, due="over", kept_ms=kept_ms)

    async def list_open(self, due_before: int, limit: int, start: int = 0) -> builtins.list[str]:
        """Ids of at most `limit` jobs that are not over and were due by then (ms), the oldest first."""
        key = self._keys.open_jobs
        found: Reply = await self._client.retry(
            lambda: self._client.redis.zrangebyscore(key, "-inf", due_before, start=start, num=limit)
        )
        return [job_id.decode() for job_id in found]

    async def count_open(self, due_before: int) -> int:
        """How many jobs are not over and were due by then (ms)."""
        key = self._keys.open_jobs
        return int(await self._client.retry(lambda: self._client.redis.zcount(key, "-inf", due_before)))

    async def backlog(self, priorities: Sequence[str], now: int) -> dict[str, int]:
        """How many jobs of each priority are due, or are being done: what docket has on its queues."""

        async def ask_all() -> Reply:
            pipeline = self._client.pipeline()
            for priority in priorities:
                stem = self._keys.queue(priority)
                pipeline.xlen(f"{stem}:stream")
                pipeline.zcount(f"{stem}:queue", "-inf", now / 1000)
            return await pipeline.execute()

        counts: Reply = await self._client.retry(ask_all)
        pairs_of_counts = zip(counts[::2], counts[1::2], strict=True)
        return {name: sum(both) for name, both in zip(priorities, pairs_of_counts, strict=True)}

    def supply_lease(self) -> Lease:
        """Who has it says how many workers there should be."""
        return Lease(self._client, self._keys.worker_supply)

    async def forget(self, job_ids: Iterable[str]) -> None:
        """Take jobs that are gone off the list of open ones."""
        if gone := list(job_ids):
            await self._client.retry(lambda: self._client.redis.zrem(self._keys.open_jobs, *gone))

    async def list(
        self,
        owner: str | None,
        *,
        limit: int,
        before: tuple[int, str] | None = None,
        tenant: str | None = None,
    ) -> tuple[builtins.list[JobRecord], tuple[int, str] | None]:
        """A page of an owner's jobs, else of a tenant's, else of all; the newest first, and where the next page begins.

        They are without payloads and results. A page may be shorter than `limit`, and not the last: jobs that are no
        longer kept are left out.
        """
        key = self._keys.jobs if tenant is None else self._keys.jobs_of_tenant(tenant)
        if owner is not None:
            key = self._keys.jobs_of(owner)
        page, following = await newest(self._client, key, limit, before)
        return await self.get_heads([job_id for _, job_id in page]), following

    async def _change(
        self,
        job_id: str,
        states: Sequence[JobState],
        fields: Fields,
        *,
        claim: str = "",
        attempts: int = 0,
        due: str = "",
        kept_ms: int = 0,
    ) -> JobRecord | None:
        arguments: builtins.list[Argument] = [job_id, claim, f",{','.join(states)},", str(attempts), due, kept_ms]
        for name, value in fields.items():
            arguments += [name, value]
        names = [self._keys.job(job_id), self._keys.open_jobs, self._keys.job_names]
        flat: Reply = await self._client.retry(lambda: self._client.run_confirmed(CHANGE_JOB, names, arguments))
        return _decode(job_id, pairs(flat)) if flat else None


HEAD = tuple(name for name in JobRecord.__slots__ if name not in ("id", "payload", "result"))
HEAD_KEYS = tuple(name.encode() for name in HEAD)
NUMBERS = ("created_at", "due_at", "attempts", "expires_at", "started_at", "finished_at", "alive_at")
JSON = ("payload", "progress", "result")


def _decode(job_id: str, fields: Mapping[bytes, bytes]) -> JobRecord:
    known: dict[str, Any] = {}
    for key, value in fields.items():
        name = key.decode()
        known[name] = int(value) if name in NUMBERS else value if name in JSON else value.decode()
    return JobRecord(id=job_id, **{name: known[name] for name in JobRecord.__slots__ if name in known})

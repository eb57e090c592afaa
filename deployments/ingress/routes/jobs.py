"""Jobs: people see, cancel and repeat their own, admins those of their tenant, operators all; and what has failed."""

from dataclasses import asdict
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Path, Query, Request
from pydantic import ValidationError

from agents.clock import now_ms
from deployments.access.conversations import require_scope
from deployments.ingress.dependencies import Dependencies, Deps, principal_of
from deployments.ingress.owned import Whose, list_for, may_see, require_seen
from deployments.ingress.problems import Problem, openapi_problems
from deployments.work.errors import UnknownJobType
from deployments.work.failure_audit import FailureAudit
from store.registries.jobs import JobRecord

router = APIRouter(prefix="/v1", tags=["jobs"])

JobId = Annotated[str, Path(pattern=r"^[0-9a-zA-Z:._-]{1,128}$")]
Cursor = Annotated[str | None, Query(pattern=r"^[0-9]{1,15}:[0-9a-zA-Z:._-]{1,128}$")]
Limit = Annotated[int, Query(ge=1, le=200)]
Time = Annotated[int | None, Query(ge=0, lt=10**15, description="Milliseconds since 1970.")]
HIDDEN = frozenset({"claim", "alive_at"})
LARGE = frozenset({"payload", "result"})
CHUNK, MAX_CHUNKS = 200, 20
"""How many jobs are looked at together, and how often, to find the jobs that are asked for and may be seen."""
JOB_PROBLEMS = ("unknown_job", "invalid_request", "not_allowed", "store_unavailable")


@router.get("/jobs", responses=openapi_problems("invalid_request", "not_allowed", "store_unavailable"))
async def list_jobs(
    request: Request,
    deps: Deps,
    whose: Whose = "own",
    state: Annotated[str | None, Query(pattern="^[a-z]{1,32}$")] = None,
    type_name: Annotated[str | None, Query(alias="type", max_length=128)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """Jobs, the newest first, without payloads and results.

    A page may be shorter than `limit`; `next` is the cursor of the next, null at the end.
    """
    principal = principal_of(request)
    require_scope(principal, "read")
    at, _, job_id = (cursor or "").partition(":")
    before = (int(at), job_id) if cursor else None
    wanted: list[JobRecord] = []
    for _ in range(MAX_CHUNKS):
        found, before = await deps.store.jobs.list(limit=CHUNK, before=before, **list_for(principal, whose))
        shown = [job for job in found if may_see(principal, job.owner)]
        wanted += [job for job in shown if state in (None, job.state) and type_name in (None, job.type)]
        if before is None or len(wanted) >= limit:
            break
    if len(wanted) > limit:
        del wanted[limit:]
        before = (wanted[-1].created_at, wanted[-1].id)
    bodies = [_job_body(job) for job in wanted]
    heads = [{name: value for name, value in body.items() if name not in LARGE} for body in bodies]
    return {"jobs": heads, "next": before and f"{before[0]}:{before[1]}"}


@router.get("/jobs/{job_id}", responses=openapi_problems(*JOB_PROBLEMS))
async def get_job(job_id: JobId, request: Request, deps: Deps) -> dict[str, Any]:
    """One job."""
    require_scope(principal_of(request), "read")
    return _job_body(await _find(deps, request, job_id))


@router.post("/jobs/{job_id}/cancel", responses=openapi_problems(*JOB_PROBLEMS, "job_over"))
async def cancel_job(job_id: JobId, request: Request, deps: Deps) -> dict[str, Any]:
    """End a job that is not over; a worker that does it stops. Once more: the same answer.

    With the job of a batch the batch is cancelled: what was finished is in its results.
    """
    job = await _find_to_change(deps, request, job_id)
    ended = await deps.jobs.cancel(job)
    now_over = ended or await _find(deps, request, job_id)
    if now_over.state != "cancelled":
        raise Problem("job_over", f"The job has {now_over.state}.")
    return _job_body(now_over)


@router.post(
    "/jobs/{job_id}/retry", status_code=202, responses=openapi_problems(*JOB_PROBLEMS, "job_open", "wrong_batch_state")
)
async def retry_job(job_id: JobId, request: Request, deps: Deps) -> dict[str, Any]:
    """Do a job that is over once more: as a new job, which is answered, with the same payload.

    With the job of a batch that batch goes on, or has its failed rows begun anew.
    """
    job = await _find_to_change(deps, request, job_id)
    if not job.is_over:
        raise Problem("job_open", "The job is not over: cancel it first.")
    try:
        again = await deps.jobs.retry(job)
    except UnknownJobType as error:
        raise Problem("unknown_job", f"{str(error).capitalize()}.") from error
    except ValidationError as error:
        raise Problem("invalid_request", "The payload is of earlier code: jobs of the type take it no more.") from error
    return _job_body(await _find(deps, request, again))


@router.get("/job-failures", responses=openapi_problems("invalid_request", "not_allowed", "store_unavailable"))
async def list_failures(
    request: Request,
    deps: Deps,
    since: Time = None,
    until: Time = None,
    stage: Annotated[str | None, Query(max_length=64)] = None,
    type_name: Annotated[str | None, Query(alias="type", max_length=128)] = None,
    conversation: Annotated[str | None, Query(max_length=128)] = None,
    limit: Limit = 50,
) -> dict[str, Any]:
    """Attempts that failed in the last thirty days, the newest first: one's own, or of one's tenant, or all."""
    principal = principal_of(request)
    require_scope(principal, "read")
    failures = await FailureAudit(deps.store, now_ms).find(
        limit=limit,
        since=since or 0,
        until=until,
        stage=stage,
        type_name=type_name,
        conversation=conversation,
        owner=lambda owner: may_see(principal, owner),
    )
    return {"failures": failures}


async def _find(deps: Dependencies, request: Request, job_id: str) -> JobRecord:
    job = await deps.store.jobs.get(job_id)
    return require_seen(request, job, "unknown_job", f"There is no job {job_id}.")


async def _find_to_change(deps: Dependencies, request: Request, job_id: str) -> JobRecord:
    job = await _find(deps, request, job_id)
    require_scope(principal_of(request), "write")
    return job


def _job_body(job: JobRecord) -> dict[str, Any]:
    """A job as the API shows it."""
    parsed = {name: orjson.loads(value) for name in ("payload", "progress", "result") if (value := getattr(job, name))}
    return {name: value for name, value in {**asdict(job), **parsed}.items() if name not in HIDDEN}

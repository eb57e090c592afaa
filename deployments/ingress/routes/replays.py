"""Replays: people order, follow, pause, resume and read their own; admins those of their tenant, operators all."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import HTMLResponse

from agents.clock import now_ms
from agents.errors import AgentDefinitionError
from deployments.access.conversations import require_scope
from deployments.ingress.bodies import body_schema
from deployments.ingress.body_reader import read_body
from deployments.ingress.dependencies import Dependencies, Deps, principal_of
from deployments.ingress.owned import Whose, list_for, may_see, require_seen
from deployments.ingress.problems import BODY_PROBLEMS, Problem, openapi_problems
from deployments.ingress.streams.download import DownloadResponse
from deployments.replay.choose import choose_conversations
from deployments.replay.order import OrderedBy, ReplayOrder, StoredOrder, check_order, describe
from deployments.replay.page import POLICY, summary_page
from deployments.replay.result_rows import decode_lines
from deployments.replay.totals import add_up
from deployments.replay.where import WhereInvalid, parse_where
from store.registries.jobs import JobRecord
from store.registries.replays import ReplayRecord

router = APIRouter(prefix="/v1/replays", tags=["replays"])

JOB: Final = "replay"
"""The type of the jobs that do replays."""
MAX_ORDER_BYTES: Final = 131_072
READ_TOGETHER: Final = 20
Cursor = Annotated[str | None, Query(pattern=r"^[0-9]{1,15}:[0-9a-f]{32}$")]
ReplayId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]
REPLAY_PROBLEMS: Final = ("unknown_replay", "invalid_request", "not_allowed", "store_unavailable")


@router.post(
    "",
    status_code=202,
    openapi_extra=body_schema(ReplayOrder),
    responses=openapi_problems(
        *BODY_PROBLEMS, "not_allowed", "unknown_agent", "unknown_conversation", "store_unavailable"
    ),
)
async def create(request: Request, deps: Deps) -> dict[str, Any]:
    """Replay past conversations that one may read; which ones, is decided now. The originals stay as they are."""
    principal = principal_of(request)
    require_scope(principal, "write")
    order = await read_body(request, ReplayOrder, deps.limits, MAX_ORDER_BYTES)
    try:
        check_order(deps.settings, deps.catalog, order)
        where = parse_where(order.where, now_ms())
    except (LookupError, WhereInvalid, AgentDefinitionError) as error:
        raise Problem("invalid_request", f"{error}.") from error
    chosen = await choose_conversations(deps.store, principal, where)
    replay_id = uuid.uuid4().hex
    stored = StoredOrder(order=order, by=OrderedBy.of(principal))
    record = ReplayRecord(
        id=replay_id,
        owner=principal.id,
        order=stored.model_dump_json().encode(),
        conversations=chosen,
        created_at=now_ms(),
        job=replay_id,
    )
    await deps.store.replays.add(record)  # before its job: a job without it would fail for good
    await deps.jobs.submit(JOB, {"replay": replay_id}, owner=principal.id, name=replay_id, job_id=replay_id)
    return await _body(deps, record)


@router.get("", responses=openapi_problems("invalid_request", "not_allowed", "store_unavailable"))
async def list_replays(
    request: Request,
    deps: Deps,
    whose: Whose = "own",
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """Replays, the newest first. A page may be shorter than `limit`; `next` is the cursor of the next, or null."""
    principal = principal_of(request)
    require_scope(principal, "read")
    at, _, replay_id = (cursor or "").partition(":")
    before = (int(at), replay_id) if cursor else None
    found, before = await deps.store.replays.list(limit=limit, before=before, **list_for(principal, whose))
    shown = [record for record in found if may_see(principal, record.owner)]
    bodies = await asyncio.gather(*(_body(deps, record) for record in shown))
    return {"replays": bodies, "next": before and f"{before[0]}:{before[1]}"}


@router.get("/{replay_id}", responses=openapi_problems(*REPLAY_PROBLEMS))
async def get(replay_id: ReplayId, request: Request, deps: Deps) -> dict[str, Any]:
    """How far a replay is; with its `totals`, once it is done."""
    record = await _find(deps, request, replay_id)
    require_scope(principal_of(request), "read")
    return await _body(deps, record)


@router.get(
    "/{replay_id}/results",
    responses={200: {"content": {"application/x-ndjson": {}}}, **openapi_problems(*REPLAY_PROBLEMS, "overloaded")},
    response_class=Response,
)
async def results(replay_id: ReplayId, request: Request, deps: Deps) -> DownloadResponse:
    """The rows that there are by now, as JSON Lines, in the order of the conversations."""
    principal = principal_of(request)
    record = await _find(deps, request, replay_id)
    require_scope(principal, "read")
    return DownloadResponse(
        _lines(deps, record),
        deps,
        principal,
        None,
        name=f"replay-{replay_id}.jsonl",
        media_type="application/x-ndjson",
    )


@router.get(
    "/{replay_id}/summary",
    responses={200: {"content": {"text/html": {}}}, **openapi_problems(*REPLAY_PROBLEMS)},
    response_class=HTMLResponse,
)
async def summary(replay_id: ReplayId, request: Request, deps: Deps) -> HTMLResponse:
    """What the results that there are by now add up to, as a page with plots and the answers that differ most."""
    record = await _find(deps, request, replay_id)
    require_scope(principal_of(request), "read")
    order = StoredOrder.model_validate_json(record.order).order
    page = summary_page(f"Replay {record.id[:8]}", describe(order), await add_up(deps.store, record))
    return HTMLResponse(page.encode(errors="replace"), headers={"Content-Security-Policy": f"{POLICY}; sandbox"})


@router.post("/{replay_id}/pause", responses=openapi_problems(*REPLAY_PROBLEMS))
async def pause(replay_id: ReplayId, request: Request, deps: Deps) -> dict[str, Any]:
    """Stop; what has results keeps them, and the rest is done when it is resumed. Once more: the same answer."""
    record = await _find_to_change(deps, request, replay_id)
    job = await deps.store.jobs.get(record.job)
    if job is not None and not job.is_over:
        await deps.jobs.cancel(job)
    return await _body(deps, record)


@router.post("/{replay_id}/resume", status_code=202, responses=openapi_problems(*REPLAY_PROBLEMS))
async def resume(replay_id: ReplayId, request: Request, deps: Deps) -> dict[str, Any]:
    """Go on with the conversations that have no results yet; a replay that goes on is left alone."""
    record = await _find_to_change(deps, request, replay_id)
    job = await deps.jobs.submit(JOB, {"replay": replay_id}, owner=record.owner, name=replay_id)
    await deps.store.replays.set_job(replay_id, job)
    return await _body(deps, await _find(deps, request, replay_id))


@router.delete("/{replay_id}", status_code=204, responses=openapi_problems(*REPLAY_PROBLEMS))
async def delete(replay_id: ReplayId, request: Request, deps: Deps) -> Response:
    """Stop it, and forget it with its results."""
    record = await _find_to_change(deps, request, replay_id)
    job = await deps.store.jobs.get(record.job)
    if job is not None and not job.is_over:
        await deps.jobs.cancel(job)
    await deps.store.replays.remove(replay_id, record.owner)
    return Response(status_code=204)


async def _body(deps: Dependencies, record: ReplayRecord) -> dict[str, Any]:
    stored = StoredOrder.model_validate_json(record.order)
    job = await deps.store.jobs.get(record.job)
    done = await deps.store.replays.count_done(record.id)
    return {
        "id": record.id,
        "owner": record.owner,
        "created_at": record.created_at,
        "order": stored.order.model_dump(),
        "state": _state_of(job, done, len(record.conversations)),
        "done": done,
        "total": len(record.conversations),
        "job": record.job,
        "error": None if job is None else job.error,
        "totals": orjson.loads(job.result)["totals"] if job is not None and job.result else None,
    }


def _state_of(job: JobRecord | None, done: int, total: int) -> str:
    """`paused` is a replay whose job was cancelled, or is no longer known, before its end."""
    if job is not None and not job.is_over:
        return job.state
    if job is not None and job.state == "failed":
        return "failed"
    return "done" if done >= total else "paused"


async def _lines(deps: Dependencies, record: ReplayRecord) -> AsyncIterator[bytes]:
    for begin in range(0, len(record.conversations), READ_TOGETHER):
        places = range(begin, min(begin + READ_TOGETHER, len(record.conversations)))
        for rows in await deps.store.replays.results(record.id, places):
            if rows is not None:
                yield decode_lines(rows)


async def _find(deps: Dependencies, request: Request, replay_id: str) -> ReplayRecord:
    record = await deps.store.replays.get(replay_id)
    return require_seen(request, record, "unknown_replay", f"There is no replay {replay_id}.")


async def _find_to_change(deps: Dependencies, request: Request, replay_id: str) -> ReplayRecord:
    record = await _find(deps, request, replay_id)
    require_scope(principal_of(request), "write")
    return record

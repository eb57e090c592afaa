"""Batches: upload rows, begin, watch, pause, resume, cancel, retry, and fetch results; one's own, or the tenant's."""

from contextlib import aclosing
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Path, Query, Request, Response

from agents.clock import now_ms
from deployments.access.conversations import require_scope
from deployments.batches.client import INVALID
from deployments.batches.definition import BatchDefinition, conversation_id
from deployments.batches.results import Results
from deployments.ingress.bodies import body_schema
from deployments.ingress.body_reader import read_body, read_pieces
from deployments.ingress.dependencies import Dependencies, Deps, principal_of
from deployments.ingress.owned import Whose, list_for, may_see, require_seen
from deployments.ingress.problems import BODY_PROBLEMS, Problem, openapi_problems
from deployments.ingress.streams.download import DownloadResponse
from store.registries.batches import BatchRecord, BatchState

router = APIRouter(prefix="/v1", tags=["batches"])

BatchId = Annotated[str, Path(pattern=r"^[0-9a-zA-Z]{1,64}$")]
Cursor = Annotated[str | None, Query(pattern=r"^[0-9]{1,15}:[0-9a-zA-Z]{1,64}$")]
MEDIA_TYPES = {"jsonl": "application/x-ndjson", "parquet": "application/vnd.apache.parquet"}
MAX_BODY_BYTES = 131_072
CHUNK, MAX_CHUNKS = 100, 20
BATCH_PROBLEMS = ("unknown_batch", "invalid_request", "not_allowed", "store_unavailable")
CHANGE_PROBLEMS = (*BATCH_PROBLEMS, "wrong_batch_state")
HIDDEN = ("definition", "cost", "wanted", "written", "strikes", "rate", "job")


@router.post(
    "/batch-files",
    status_code=201,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
    responses=openapi_problems(
        "file_too_large", "overloaded", "not_allowed", "batch_files_unavailable", "store_unavailable"
    ),
)
async def upload(request: Request, deps: Deps) -> dict[str, Any]:
    """Upload rows: JSON Lines or Parquet, plain or compressed, as its first bytes tell. Only its owner may use it."""
    principal = principal_of(request)
    require_scope(principal, "write")
    pieces = read_pieces(request, deps.limits, deps.settings.max_batch_bytes)
    async with aclosing(pieces):
        file_id, size = await deps.batches.files.receive(principal.id, pieces)
    return {"id": file_id, "bytes": size}


@router.post(
    "/batches",
    status_code=201,
    openapi_extra=body_schema(BatchDefinition),
    responses=openapi_problems(
        *BODY_PROBLEMS,
        "unknown_agent",
        "unknown_batch_file",
        "forbidden_url",
        "not_for_provider_batches",
        "not_allowed",
        "batch_files_unavailable",
        "store_unavailable",
    ),
)
async def create(request: Request, deps: Deps) -> dict[str, Any]:
    """Begin a batch; a worker takes it up within seconds."""
    principal = principal_of(request)
    require_scope(principal, "write")
    definition = await read_body(request, BatchDefinition, deps.limits, MAX_BODY_BYTES)
    return batch_body(await deps.batches.create(definition, principal.id))


@router.get("/batches", responses=openapi_problems("invalid_request", "not_allowed", "store_unavailable"))
async def list_batches(
    request: Request,
    deps: Deps,
    whose: Whose = "own",
    state: Annotated[BatchState | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """Batches, the newest first. A page may be shorter than `limit`; `next` is the cursor of the next, or null."""
    principal = principal_of(request)
    require_scope(principal, "read")
    at, _, batch_id = (cursor or "").partition(":")
    before = (int(at), batch_id) if cursor else None
    wanted: list[BatchRecord] = []
    for _ in range(MAX_CHUNKS):
        found, before = await deps.store.batches.list(limit=CHUNK, before=before, **list_for(principal, whose))
        wanted += [one for one in found if state in (None, one.state) and may_see(principal, one.owner)]
        if before is None or len(wanted) >= limit:
            break
    if len(wanted) > limit:
        del wanted[limit:]
        before = (wanted[-1].created_at, wanted[-1].id)
    return {"batches": [batch_body(one) for one in wanted], "next": before and f"{before[0]}:{before[1]}"}


@router.get("/batches/{batch_id}", responses=openapi_problems(*BATCH_PROBLEMS))
async def get_batch(batch_id: BatchId, request: Request, deps: Deps) -> dict[str, Any]:
    """One batch: how far it is, what it has used, and how long it will take at the rate that it has."""
    return batch_body(await _find(deps, request, batch_id, "read"))


@router.post("/batches/{batch_id}/pause", status_code=202, responses=openapi_problems(*CHANGE_PROBLEMS))
async def pause(batch_id: BatchId, request: Request, deps: Deps) -> dict[str, Any]:
    """Begin no more rows; the ones under way come to their end."""
    return batch_body(await deps.batches.pause(await _find(deps, request, batch_id, "write")))


@router.post("/batches/{batch_id}/resume", status_code=202, responses=openapi_problems(*CHANGE_PROBLEMS))
async def resume(batch_id: BatchId, request: Request, deps: Deps) -> dict[str, Any]:
    """Go on with the rows that are not finished."""
    return batch_body(await deps.batches.resume(await _find(deps, request, batch_id, "write")))


@router.post("/batches/{batch_id}/cancel", status_code=202, responses=openapi_problems(*CHANGE_PROBLEMS))
async def cancel(batch_id: BatchId, request: Request, deps: Deps) -> dict[str, Any]:
    """Begin no more rows and end the ones under way; what was finished is in the results."""
    return batch_body(await deps.batches.cancel(await _find(deps, request, batch_id, "write")))


@router.post("/batches/{batch_id}/retry", status_code=202, responses=openapi_problems(*CHANGE_PROBLEMS))
async def retry(batch_id: BatchId, request: Request, deps: Deps) -> dict[str, Any]:
    """Have the rows that failed begun anew, each in a new conversation; the results are written again after that."""
    return batch_body(await deps.batches.retry(await _find(deps, request, batch_id, "write")))


@router.delete(
    "/batches/{batch_id}", status_code=204, responses=openapi_problems(*CHANGE_PROBLEMS, "batch_files_unavailable")
)
async def delete(batch_id: BatchId, request: Request, deps: Deps) -> Response:
    """Forget a batch that is over, with its results; its conversations stay."""
    await deps.batches.delete(await _find(deps, request, batch_id, "write"))
    return Response(status_code=204)


@router.get("/batches/{batch_id}/failures", responses=openapi_problems(*BATCH_PROBLEMS))
async def failures(
    batch_id: BatchId,
    request: Request,
    deps: Deps,
    after: Annotated[int, Query(ge=0, lt=10**15, description="Behind this row.")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> dict[str, Any]:
    """The rows that failed, in their order, and why; and the rows that wait for people; each with its conversation.

    A row that could not become a message has none, and no row has one in the provider's own batches.
    """
    batch = await _find(deps, request, batch_id, "read")
    found = [pair for pair in sorted((await deps.store.batches.failures(batch.id)).items()) if pair[0] > after]
    waiting = sorted(await deps.store.batches.waiting(batch.id))
    rounds = await deps.store.batches.rounds(batch.id)
    has_any = not orjson.loads(batch.definition)["provider_batch"]

    def place(row: int, reason: str = "") -> dict[str, Any]:
        is_there = has_any and not reason.startswith(INVALID)
        return {"row": row, "conversation_id": conversation_id(batch.id, row, rounds.get(row, 0)) if is_there else None}

    shown = [{**place(row, reason), "error": reason} for row, reason in found[:limit]]
    return {"failures": shown, "waiting": [place(row) for row in waiting[:limit]]}


@router.get(
    "/batches/{batch_id}/rows/{row}",
    responses=openapi_problems(*BATCH_PROBLEMS, "unknown_row", "batch_files_unavailable"),
)
async def get_row(
    batch_id: BatchId, row: Annotated[int, Path(ge=1, lt=10**10)], request: Request, deps: Deps
) -> dict[str, Any]:
    """What has become of one row, as it stands in the results; also while the batch goes on."""
    batch = await _find(deps, request, batch_id, "read")
    if batch.total is not None and row > batch.total:
        raise Problem("unknown_row", f"The batch has {batch.total} rows.")
    definition = BatchDefinition.model_validate_json(batch.definition)
    agent = deps.catalog.agents.get(definition.agent)
    return await Results(deps.store, deps.batches.files, batch.id, definition, agent).of_row(row)


@router.get(
    "/batches/{batch_id}/results",
    response_model=None,
    responses={
        **openapi_problems(*BATCH_PROBLEMS, "no_batch_results", "batch_files_unavailable", "overloaded"),
        200: {"description": "The file", "content": {kind: {} for kind in MEDIA_TYPES.values()}},
    },
)
async def results(
    batch_id: BatchId,
    request: Request,
    deps: Deps,
    file_format: Annotated[Literal["jsonl", "parquet"], Query(alias="format")] = "jsonl",
) -> Response:
    """The results of a batch that is over, in the order of its rows."""
    batch = await _find(deps, request, batch_id, "read")
    written = await deps.batches.files.open_result(batch.id, f"results.{file_format}") if batch.is_over else None
    if written is None:
        raise Problem("no_batch_results", f"The batch is {batch.state}, and has no results.")
    media_type = MEDIA_TYPES[file_format]
    name = f"batch-{batch.id}.{file_format}"
    return DownloadResponse(written, deps, principal_of(request), None, name=name, media_type=media_type)


def batch_body(batch: BatchRecord) -> dict[str, Any]:
    """A batch as the API shows it. `seconds_left` is None while it cannot be told."""
    fields = {name: getattr(batch, name) for name in BatchRecord.__slots__ if name not in HIDDEN}
    rate = batch.rate / 1000 if batch.state == "running" else None
    left = None if batch.total is None else batch.total - batch.finished
    return {
        **fields,
        "requested": batch.wanted or None,
        "error": batch.error or None,
        "cost_usd": batch.cost / 1_000_000,
        "definition": orjson.loads(batch.definition),
        "rows_per_second": rate,
        "seconds_left": round(left / rate) if rate and left is not None else None,
        "seconds": _seconds(batch),
    }


def _seconds(batch: BatchRecord) -> float | None:
    if batch.started_at is None:
        return None
    return ((batch.finished_at or now_ms()) - batch.started_at) / 1000


async def _find(deps: Dependencies, request: Request, batch_id: str, scope: Literal["read", "write"]) -> BatchRecord:
    found = await deps.store.batches.get(batch_id)
    batch = require_seen(request, found, "unknown_batch", f"There is no batch {batch_id}.")
    require_scope(principal_of(request), scope)
    return batch

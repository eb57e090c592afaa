"""What agents remember of the person who asks: to see, search, add, correct and forget. No other person reads it."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request, Response

from agents.clock import now_ms
from agents.memory import Entry, PersonalMemory, Ranking, by_words
from agents.middleware.memory import Memory
from deployments.access.conversations import require_scope
from deployments.ingress.bodies import CorrectedMemory, NewMemory, body_schema
from deployments.ingress.body_reader import read_body
from deployments.ingress.dependencies import Dependencies, Deps, principal_of
from deployments.ingress.problems import BODY_PROBLEMS, Problem, openapi_problems

BY_PERSON: Final[Mapping[str, Any]] = {"by": "person"}
PROBLEMS = ("not_allowed", "store_unavailable")

router = APIRouter(prefix="/v1/memories", tags=["memory"])
MemoryId = Annotated[str, Path(pattern="^[0-9a-f]{16}$")]
Everything = Annotated[bool, Query(alias="all", description="It has to be said.")]
Revision = Annotated[int | None, Query(ge=1, description="Only if it still has this revision.")]


@router.get("", responses=openapi_problems("invalid_request", *PROBLEMS))
async def list_memories(
    request: Request,
    deps: Deps,
    q: Annotated[str | None, Query(max_length=500, description="The best first; else the newest first.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    cursor: Annotated[str | None, Query(pattern="^[0-9a-f]{16}$")] = None,
) -> dict[str, Any]:
    """The memories. `next` is the cursor of the next page, null at the end; a search has one page."""
    require_scope(principal_of(request), "read")
    memory = _memory_of(request, deps)
    if q is not None:
        return {"memories": [_body(entry) for entry in await memory.search(q, _ranking(deps), limit)], "next": None}
    entries = (await memory.entries())[::-1]
    begin = next((place for place, entry in enumerate(entries) if entry.id == cursor), -1) + 1
    page = entries[begin : begin + limit]
    more = begin + limit < len(entries)
    return {"memories": [_body(entry) for entry in page], "next": page[-1].id if more else None}


@router.post(
    "",
    status_code=201,
    openapi_extra=body_schema(NewMemory),
    responses=openapi_problems(*BODY_PROBLEMS, "memory_refused", *PROBLEMS),
)
async def add_memory(request: Request, deps: Deps) -> dict[str, Any]:
    """Add one; the same words a second time are the memory that is there."""
    require_scope(principal_of(request), "write")
    body = await read_body(request, NewMemory, deps.limits)
    return _body(await _memory_of(request, deps).add(body.text, BY_PERSON))


@router.get("/{memory_id}", responses=openapi_problems("invalid_request", "unknown_memory", *PROBLEMS))
async def get_memory(memory_id: MemoryId, request: Request, deps: Deps) -> dict[str, Any]:
    """One of them."""
    require_scope(principal_of(request), "read")
    return _body(await _memory_of(request, deps).get(memory_id))


@router.put(
    "/{memory_id}",
    openapi_extra=body_schema(CorrectedMemory),
    responses=openapi_problems(*BODY_PROBLEMS, "unknown_memory", "memory_changed", "memory_refused", *PROBLEMS),
)
async def correct_memory(memory_id: MemoryId, request: Request, deps: Deps) -> dict[str, Any]:
    """Replace its words, with `revision` only if nothing has changed it since."""
    require_scope(principal_of(request), "write")
    body = await read_body(request, CorrectedMemory, deps.limits)
    return _body(await _memory_of(request, deps).correct(memory_id, body.text, BY_PERSON, body.revision))


@router.delete(
    "/{memory_id}", status_code=204, responses=openapi_problems("invalid_request", "memory_changed", *PROBLEMS)
)
async def forget_memory(memory_id: MemoryId, request: Request, deps: Deps, revision: Revision = None) -> Response:
    """Forget it; one that is gone stays so."""
    require_scope(principal_of(request), "write")
    await _memory_of(request, deps).forget(memory_id, revision)
    return Response(status_code=204)


@router.delete("", status_code=204, responses=openapi_problems("invalid_request", *PROBLEMS))
async def forget_all(request: Request, deps: Deps, everything: Everything = False) -> Response:
    """Forget all of it."""
    require_scope(principal_of(request), "write")
    if not everything:
        raise Problem("invalid_request", "query.all: say `all=true` to forget everything")
    await deps.store.memories.forget_all(principal_of(request).id)
    return Response(status_code=204)


def _memory_of(request: Request, deps: Dependencies) -> PersonalMemory:
    return PersonalMemory(deps.store, principal_of(request).id, now_ms)


def _ranking(deps: Dependencies) -> Ranking:
    """That of the agents, if one of them has a memory."""
    agents = deps.catalog.agents.values()
    found = (part.ranking for agent in agents for part in agent.each_middleware() if isinstance(part, Memory))
    return next(found, by_words)


def _body(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "text": entry.text,
        "source": dict(entry.source),
        "created_at": entry.created_at,
        "updated_at": entry.updated_at,
        "revision": entry.revision,
    }

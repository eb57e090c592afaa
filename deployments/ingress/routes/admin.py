"""For operators: the cluster at a glance, what lives where, stuck turns and their end, and how far the feed is read."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from deployments.access.conversations import require_operator
from deployments.background.abort_turn import abort_turn
from deployments.background.live_conversations import describe_hosts, find_hosts
from deployments.background.stuck_turns import StuckTurns
from deployments.ingress.dependencies import ConversationId, Deps, principal_of
from deployments.ingress.problems import CONVERSATION_PROBLEMS, openapi_problems
from deployments.routing.control_plane import cluster_name
from store.principals import tenant_name_of

ABORT_PROBLEMS = (*CONVERSATION_PROBLEMS, "not_running", "terminating")

router = APIRouter(prefix="/v1", tags=["operations"])


@router.get("/stuck", responses=openapi_problems("not_allowed", "store_unavailable", "control_plane_unavailable"))
async def stuck(request: Request, deps: Deps) -> dict[str, Any]:
    """Turns without progress for as long as the settings say, longest first, with what each waits for."""
    require_operator(principal_of(request))
    turns = StuckTurns(deps.store, deps.door, cluster_name(), deps.settings.stuck_seconds)
    found = await turns.find()
    return {"stuck": [asdict(turn) for turn in found]}


@router.get(
    "/cluster/conversations",
    responses=openapi_problems("not_allowed", "invalid_request", "store_unavailable", "control_plane_unavailable"),
)
async def live_conversations(
    request: Request,
    deps: Deps,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    per_host: Annotated[int, Query(ge=0, le=1000)] = 100,
    after: Annotated[str, Query(max_length=500)] = "",
) -> dict[str, Any]:
    """What lives where, from the hosts themselves, by their names; `next` is the `after` of the next page."""
    require_operator(principal_of(request))
    hosts, following = await find_hosts(deps.door, after, limit, per_host)
    return {"hosts": await describe_hosts(deps.store, hosts), "next": following}


@router.get("/overview", responses=openapi_problems("not_allowed", "control_plane_unavailable"))
async def overview(request: Request, deps: Deps) -> Mapping[str, Any]:
    """The cluster at a glance: nodes, hosts, conversations by state, and what turns came to in the last ten minutes.

    Hosts are asked for it, and the answer is shared for some seconds: `at` says from when it is. Times are in
    milliseconds, memory in bytes, `cost` in millionths of a US dollar, `processor` is a share of the cores.
    """
    require_operator(principal_of(request))
    return await deps.overview.read()


@router.get("/feed/groups", responses=openapi_problems("not_allowed", "store_unavailable"))
async def feed_groups(request: Request, deps: Deps) -> dict[str, Any]:
    """How far each consumer of the feed is behind, and what it has missed."""
    require_operator(principal_of(request))
    shown = ("name", "lag", "oldest_at", "lost", "aside", "seen_at")
    groups = await deps.store.feed.states()
    return {"groups": [{name: getattr(group, name) for name in shown} for group in groups]}


@router.post("/conversations/{conversation_id}/abort", status_code=202, responses=openapi_problems(*ABORT_PROBLEMS))
async def abort(conversation_id: ConversationId, request: Request, deps: Deps) -> dict[str, Any]:
    """End the turn that runs as failed, whatever its actor does; an actor that does not answer is killed."""
    principal = principal_of(request)
    meta = await deps.access.get(principal, conversation_id, "read")
    require_operator(principal)
    tenant = tenant_name_of(meta.principal)
    async with deps.audit.act("turn_aborted", principal, tenant=tenant, conversation_id=conversation_id):
        aborted = await abort_turn(deps.store, deps.door, conversation_id, principal.id)
    return {"conversation_id": conversation_id, **asdict(aborted)}


@router.post(
    "/conversations/{conversation_id}/release",
    status_code=202,
    responses=openapi_problems(*ABORT_PROBLEMS),
    deprecated=True,
)
async def release(conversation_id: ConversationId, request: Request, deps: Deps) -> dict[str, Any]:
    """The former name of `abort`."""
    return await abort(conversation_id, request, deps)

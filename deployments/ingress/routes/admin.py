"""For operators: which turns make no progress, and the end of one of them."""

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter

from deployments.background.abort_turn import abort_turn
from deployments.background.stuck_turns import StuckTurns
from deployments.ingress.dependencies import LOCAL_PRINCIPAL, ConversationId, Deps
from deployments.ingress.problems import CONVERSATION_PROBLEMS, openapi_problems
from deployments.routing.control_plane import cluster_name

ABORT_PROBLEMS = (*CONVERSATION_PROBLEMS, "not_running", "terminating")

router = APIRouter(prefix="/v1", tags=["operations"])


@router.get("/stuck", responses=openapi_problems("store_unavailable", "control_plane_unavailable"))
async def stuck(deps: Deps) -> dict[str, Any]:
    """Turns without progress for as long as the settings say, longest first, with what each waits for."""
    turns = StuckTurns(deps.store, deps.door, cluster_name(), deps.settings.stuck_seconds)
    found = await turns.find()
    return {"stuck": [asdict(turn) for turn in found]}


@router.post("/conversations/{conversation_id}/abort", status_code=202, responses=openapi_problems(*ABORT_PROBLEMS))
async def abort(conversation_id: ConversationId, deps: Deps) -> dict[str, Any]:
    """End the turn that runs as failed, whatever its actor does; an actor that does not answer is killed."""
    aborted = await abort_turn(deps.store, deps.door, conversation_id, LOCAL_PRINCIPAL)
    return {"conversation_id": conversation_id, **asdict(aborted)}


@router.post(
    "/conversations/{conversation_id}/release",
    status_code=202,
    responses=openapi_problems(*ABORT_PROBLEMS),
    deprecated=True,
)
async def release(conversation_id: ConversationId, deps: Deps) -> dict[str, Any]:
    """The former name of `abort`."""
    return await abort(conversation_id, deps)

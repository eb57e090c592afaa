"""People leave a turn out of what the model is shown, and take it in again."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request

from agents.conversation.drop_turn import DropTurn
from deployments.ingress.dependencies import ConversationId, Deps, agent_context, principal_of
from deployments.ingress.problems import openapi_problems
from deployments.ingress.routes.messages import REACH_PROBLEMS
from store.principals import tenant_name_of

router = APIRouter(prefix="/v1/conversations/{conversation_id}/turns", tags=["messages"])

DROP_PROBLEMS = openapi_problems(*REACH_PROBLEMS, "invalid_request", "unknown_turn", "turn_running", "turn_summarised")

Turn = Annotated[int, Path(ge=1, le=2**53)]


@router.post("/{turn}/drop", status_code=202, responses=DROP_PROBLEMS)
async def drop(conversation_id: ConversationId, turn: Turn, request: Request, deps: Deps) -> dict[str, Any]:
    """Leave a turn out from the next call of the model on; the log keeps it. To say it twice changes nothing."""
    return await _change(conversation_id, turn, request, deps, restore=False)


@router.delete("/{turn}/drop", status_code=202, responses=DROP_PROBLEMS)
async def restore(conversation_id: ConversationId, turn: Turn, request: Request, deps: Deps) -> dict[str, Any]:
    """Show the model a turn again that was left out, by people or because a provider had refused it."""
    return await _change(conversation_id, turn, request, deps, restore=True)


async def _change(conversation_id: str, turn: int, request: Request, deps: Deps, *, restore: bool) -> dict[str, Any]:
    principal = principal_of(request)
    meta = await deps.access.get(principal, conversation_id, "write")
    wanted = DropTurn(turn=turn, principal=principal.id, restore=restore)
    kind, tenant = "turn_restored" if restore else "turn_dropped", tenant_name_of(meta.principal)
    async with deps.audit.act(kind, principal, tenant=tenant, conversation_id=conversation_id, data={"turn": turn}):
        receipt = await deps.door.drop_turn(conversation_id, wanted, agent_context(request))
    return {"conversation_id": conversation_id, "turn": turn, "dropped": not restore, "seq": receipt.seq}

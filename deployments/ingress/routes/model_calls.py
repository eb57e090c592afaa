"""The audit of a conversation: exactly what was sent to the model, if and for as long as its agent keeps that."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request

from deployments.ingress.dependencies import ConversationId, Deps, principal_of
from deployments.ingress.problems import CONVERSATION_PROBLEMS, openapi_problems

router = APIRouter(prefix="/v1/conversations/{conversation_id}", tags=["conversations"])


@router.get("/model_calls", responses=openapi_problems(*CONVERSATION_PROBLEMS, "invalid_request"))
async def model_calls(
    conversation_id: ConversationId,
    request: Request,
    deps: Deps,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> dict[str, Any]:
    """The latest calls, newest first; none if the agent keeps none, or not so long."""
    await deps.access.get(principal_of(request), conversation_id, "read")
    entries = await deps.store.model_calls.list(conversation_id, limit=limit)
    return {"model_calls": [orjson.loads(entry) for entry in entries]}

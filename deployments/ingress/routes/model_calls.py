"""The audit of a conversation: exactly what was sent to the model, for as long as the agent has it kept."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query

from deployments.ingress.dependencies import ConversationId, TheService
from deployments.ingress.problems import documented
from deployments.ingress.routes.conversations import ONE

router = APIRouter(prefix="/v1/conversations/{conversation_id}", tags=["conversations"])


@router.get("/model_calls", responses=documented(*ONE, "invalid_request"))
async def model_calls(
    conversation_id: ConversationId,
    service: TheService,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> dict[str, Any]:
    """The latest calls, newest first; none if the agent keeps none, or not so long."""
    await service.store.registry.get(conversation_id)
    entries = await service.store.model_calls.list(conversation_id, limit=limit)
    return {"model_calls": [orjson.loads(entry) for entry in entries]}

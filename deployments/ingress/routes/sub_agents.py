"""The conversations of a conversation's sub-agents: their transcripts can be opened like any other."""

from typing import Any

from fastapi import APIRouter

from deployments.ingress.dependencies import ConversationId, TheService
from deployments.ingress.problems import documented
from deployments.ingress.routes.conversations import ONE, shown

router = APIRouter(prefix="/v1/conversations/{conversation_id}", tags=["conversations"])


@router.get("/children", responses=documented(*ONE))
async def children(conversation_id: ConversationId, service: TheService) -> dict[str, Any]:
    """The conversations that calls of this one have started, oldest first."""
    await service.store.registry.get(conversation_id)
    return {"conversations": [shown(meta) for meta in await service.store.registry.children(conversation_id)]}

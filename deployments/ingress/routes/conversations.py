"""Conversations as resources: create, list, look at, rename, delete."""

import asyncio
import uuid
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request, Response

from agents.clock import now_ms
from agents.errors import UnknownAgent
from deployments.ingress.bodies import NewConversation, Renaming, body_schema, read_body
from deployments.ingress.dependencies import LOCAL_PRINCIPAL, ConversationId, TheService, checked_id
from deployments.ingress.problems import Problem, documented
from store import ConversationMeta, Store

router = APIRouter(prefix="/v1/conversations", tags=["conversations"])

BODY = ("malformed_json", "unsupported_media_type", "invalid_request", "message_too_large", "overloaded")
ONE = ("unknown_conversation", "invalid_conversation_id", "store_unavailable")


def shown(meta: ConversationMeta) -> dict[str, Any]:
    """A conversation as the API shows it; `state` is the durable one, see fsm_state."""
    cached = orjson.loads(meta.state) if meta.state else {"state": "idle", "pending": {}}
    return {
        "id": meta.id,
        "agent": meta.agent,
        "title": meta.title,
        "state": cached["state"],
        "pending": cached["pending"],
        "parent": meta.parent,
        "parent_call": meta.parent_call,
        "place": meta.place,
        "last_seq": meta.last_seq,
        "created_at": meta.created_at,
        "updated_at": meta.updated_at,
    }


@router.post(
    "",
    status_code=201,
    openapi_extra=body_schema(NewConversation),
    responses=documented(*BODY, "unknown_agent", "conversation_exists", "invalid_conversation_id", "store_unavailable"),
)
async def create(request: Request, service: TheService) -> dict[str, Any]:
    """Create a conversation; nothing runs until its first message."""
    body = await read_body(request, NewConversation)
    agent = body.agent or service.catalog.default
    if agent not in service.catalog.agents:  # a sub-agent has conversations only where it is delegated to
        raise UnknownAgent(agent)
    conversation_id = checked_id(body.id) if body.id is not None else uuid.uuid4().hex
    meta = await service.store.registry.create(
        conversation_id,
        agent=agent,
        principal=LOCAL_PRINCIPAL,
        title=body.title,
        placement=body.placement,
        now=now_ms(),
    )
    return shown(meta)


@router.get("", responses=documented("invalid_request", "store_unavailable"))
async def list_all(
    service: TheService,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: str | None = None,
) -> dict[str, Any]:
    """Conversations by last activity, newest first; `next` is the cursor of the next page."""
    try:
        metas, following = await service.store.registry.list(LOCAL_PRINCIPAL, limit=limit, before=cursor)
    except ValueError as error:
        raise Problem("invalid_request", "query.cursor: this is no cursor of ours") from error
    return {"conversations": [shown(meta) for meta in metas], "next": following}


@router.get("/{conversation_id}", responses=documented(*ONE))
async def get(conversation_id: ConversationId, service: TheService) -> dict[str, Any]:
    """One conversation."""
    return shown(await service.store.registry.get(conversation_id))


@router.patch("/{conversation_id}", openapi_extra=body_schema(Renaming), responses=documented(*ONE, *BODY))
async def rename(conversation_id: ConversationId, request: Request, service: TheService) -> dict[str, Any]:
    """Give a conversation another title."""
    body = await read_body(request, Renaming)
    await service.store.registry.rename(conversation_id, body.title, now_ms())
    return shown(await service.store.registry.get(conversation_id))


@router.delete(
    "/{conversation_id}",
    status_code=204,
    responses=documented(*ONE, "control_plane_unavailable", "archive_unavailable"),
)
async def delete(conversation_id: ConversationId, service: TheService) -> Response:
    """Delete a conversation with all it holds, those of its sub-agents included; what they are doing ends unlogged."""
    places = await service.store.registry.places(await _family(service.store, conversation_id))
    await service.store.registry.delete(conversation_id)
    await asyncio.gather(*(service.door.dismiss(member, place) for member, place in places.items()))
    return Response(status_code=204)


async def _family(store: Store, conversation_id: str) -> list[str]:
    """The conversation and all that descend from it, eldest first."""
    family = [conversation_id]
    for member in family:  # grows while it is walked
        family += [child.id for child in await store.registry.children(member)]
    return family

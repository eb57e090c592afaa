"""Conversations as resources: create, list, look at, rename, delete; and the conversations of sub-agents."""

import asyncio
import uuid
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request, Response

from agents.clock import now_ms
from agents.errors import UnknownAgent
from deployments.ingress.bodies import NewConversation, Renaming, body_schema
from deployments.ingress.body_reader import read_body
from deployments.ingress.dependencies import LOCAL_PRINCIPAL, ConversationId, Deps, validate_conversation_id
from deployments.ingress.problems import BODY_PROBLEMS, CONVERSATION_PROBLEMS, Problem, openapi_problems
from store import ConversationMeta, Store

router = APIRouter(prefix="/v1/conversations", tags=["conversations"])


@router.post(
    "",
    status_code=201,
    openapi_extra=body_schema(NewConversation),
    responses=openapi_problems(
        *BODY_PROBLEMS, "unknown_agent", "conversation_exists", "invalid_conversation_id", "store_unavailable"
    ),
)
async def create(request: Request, deps: Deps) -> dict[str, Any]:
    """Create a conversation; nothing runs until its first message."""
    body = await read_body(request, NewConversation, deps.limits)
    agent = body.agent or deps.catalog.default
    if agent not in deps.catalog.agents:  # a sub-agent has conversations only where it is delegated to
        raise UnknownAgent(agent)
    conversation_id = validate_conversation_id(body.id) if body.id is not None else uuid.uuid4().hex
    meta = await deps.store.registry.create(
        conversation_id,
        agent=agent,
        principal=LOCAL_PRINCIPAL,
        title=body.title,
        placement=body.placement,
        now=now_ms(),
    )
    return _conversation_body(meta)


@router.get("", responses=openapi_problems("invalid_request", "store_unavailable"))
async def list_all(
    deps: Deps,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: str | None = None,
) -> dict[str, Any]:
    """Conversations by last activity, newest first; `next` is the cursor of the next page."""
    try:
        metas, following = await deps.store.registry.list(LOCAL_PRINCIPAL, limit=limit, before=cursor)
    except ValueError as error:
        raise Problem("invalid_request", "query.cursor: this is no cursor of ours") from error
    return {"conversations": [_conversation_body(meta) for meta in metas], "next": following}


@router.get("/{conversation_id}", responses=openapi_problems(*CONVERSATION_PROBLEMS))
async def get(conversation_id: ConversationId, deps: Deps) -> dict[str, Any]:
    """One conversation."""
    return _conversation_body(await deps.store.registry.get(conversation_id))


@router.patch(
    "/{conversation_id}",
    openapi_extra=body_schema(Renaming),
    responses=openapi_problems(*CONVERSATION_PROBLEMS, *BODY_PROBLEMS),
)
async def rename(conversation_id: ConversationId, request: Request, deps: Deps) -> dict[str, Any]:
    """Give a conversation another title."""
    body = await read_body(request, Renaming, deps.limits)
    await deps.store.registry.rename(conversation_id, body.title, now_ms())
    return _conversation_body(await deps.store.registry.get(conversation_id))


@router.delete(
    "/{conversation_id}",
    status_code=204,
    responses=openapi_problems(*CONVERSATION_PROBLEMS, "control_plane_unavailable", "archive_unavailable"),
)
async def delete(conversation_id: ConversationId, deps: Deps) -> Response:
    """Delete a conversation with all it holds, those of its sub-agents included; what they are doing ends unlogged."""
    places = await deps.store.registry.places(await _with_descendants(deps.store, conversation_id))
    await deps.store.registry.delete(conversation_id)
    await asyncio.gather(*(deps.door.dismiss(member, place) for member, place in places.items()))
    return Response(status_code=204)


@router.get("/{conversation_id}/children", name="children", responses=openapi_problems(*CONVERSATION_PROBLEMS))
async def list_sub_agents(conversation_id: ConversationId, deps: Deps) -> dict[str, Any]:
    """The conversations that calls of this one have started, oldest first."""
    await deps.store.registry.get(conversation_id)
    metas = await deps.store.registry.children(conversation_id)
    return {"conversations": [_conversation_body(meta) for meta in metas]}


async def _with_descendants(store: Store, conversation_id: str) -> list[str]:
    """The conversation and all that descend from it, the oldest generation first."""
    found = [conversation_id]
    for member in found:  # grows while it is walked
        found += [child.id for child in await store.registry.children(member)]
    return found


def _conversation_body(meta: ConversationMeta) -> dict[str, Any]:
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

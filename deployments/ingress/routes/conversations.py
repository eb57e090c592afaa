"""Conversations as resources: create, list, look at, rename, delete; and the conversations of sub-agents."""

import asyncio
import uuid
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request, Response

from agents.clock import now_ms
from agents.codec import wire_live
from agents.errors import UnknownAgent
from agents.turn.live import TitleChanged
from agents.turn.states import ExitReason
from deployments.access.conversations import require_scope
from deployments.access.principal import Principal
from deployments.access.projects import use_project
from deployments.access.rights import RIGHT_NAMES, Part
from deployments.indexes.cursor import BadCursor
from deployments.indexes.find import find_conversations
from deployments.indexes.query import ListQuery, state_of
from deployments.ingress.bodies import ConversationChanges, NewConversation, body_schema
from deployments.ingress.body_reader import read_body
from deployments.ingress.dependencies import ConversationId, Dependencies, Deps, principal_of, validate_conversation_id
from deployments.ingress.problems import BODY_PROBLEMS, CONVERSATION_PROBLEMS, Problem, openapi_problems
from store import ConversationMeta, Store

router = APIRouter(prefix="/v1/conversations", tags=["conversations"])


@router.post(
    "",
    status_code=201,
    openapi_extra=body_schema(NewConversation),
    responses=openapi_problems(
        *BODY_PROBLEMS,
        "unknown_agent",
        "conversation_exists",
        "invalid_conversation_id",
        "unknown_project",
        "not_allowed",
        "store_unavailable",
    ),
)
async def create(request: Request, deps: Deps) -> dict[str, Any]:
    """Create a conversation; nothing runs until its first message."""
    principal = principal_of(request)
    require_scope(principal, "write")
    body = await read_body(request, NewConversation, deps.limits)
    agent = body.agent or deps.catalog.default
    if agent not in deps.catalog.agents:  # a sub-agent has conversations only where it is delegated to
        raise UnknownAgent(agent)
    conversation_id = validate_conversation_id(body.id) if body.id is not None else uuid.uuid4().hex
    if body.project is not None:
        await use_project(deps.store, principal, body.project)
    meta = await deps.store.registry.create(
        conversation_id,
        agent=agent,
        principal=principal.id,
        channel=body.channel,
        title=body.title,
        placement=body.placement,
        project=body.project,
        now=now_ms(),
    )
    return await conversation_body(meta, principal, deps)


@router.get("", responses=openapi_problems("invalid_request", "not_allowed", "store_unavailable"))
async def list_all(request: Request, deps: Deps, query: Annotated[ListQuery, Query()]) -> dict[str, Any]:
    """A page of conversations; `next` is the cursor of the next one, and null at the end of the list.

    A page looks at so many conversations at most, so it may be short, or empty, and not the last.
    """
    principal = principal_of(request)
    require_scope(principal, "read")
    try:
        page = await find_conversations(deps.store, principal, query)
    except BadCursor as error:
        raise Problem("invalid_request", f"query.cursor: {error}") from error
    bodies = [await conversation_body(meta, principal, deps) for meta in page.metas]
    found = [{**body, "match": page.matches[body["id"]].body()} if page.matches else body for body in bodies]
    return {"conversations": found, "next": page.next}


@router.get("/{conversation_id}", responses=openapi_problems(*CONVERSATION_PROBLEMS))
async def get(conversation_id: ConversationId, request: Request, deps: Deps) -> dict[str, Any]:
    """One conversation."""
    principal = principal_of(request)
    return await conversation_body(await deps.access.get(principal, conversation_id, "read"), principal, deps)


@router.patch(
    "/{conversation_id}",
    openapi_extra=body_schema(ConversationChanges),
    responses=openapi_problems(*CONVERSATION_PROBLEMS, *BODY_PROBLEMS),
)
async def change(conversation_id: ConversationId, request: Request, deps: Deps) -> dict[str, Any]:
    """Give a conversation another title, archive it, or restore it."""
    principal = principal_of(request)
    meta = await deps.access.get(principal, conversation_id, "own")
    body = await read_body(request, ConversationChanges, deps.limits)
    if body.archived is not None and meta.parent is not None:
        raise Problem("invalid_request", f"body.archived: a sub-agent's conversation goes with {meta.root}")
    if body.title is not None:
        told = wire_live(TitleChanged(turn=0, title=body.title), conversation_id)
        await deps.store.registry.rename(conversation_id, body.title, now_ms(), orjson.dumps([told]))
    if body.archived is not None:
        await deps.store.registry.set_archived(conversation_id, now_ms(), archived=body.archived, by=principal.id)
    return await conversation_body(await deps.store.registry.get(conversation_id), principal, deps)


@router.delete(
    "/{conversation_id}",
    status_code=204,
    responses=openapi_problems(*CONVERSATION_PROBLEMS, "control_plane_unavailable", "archive_unavailable"),
)
async def delete(conversation_id: ConversationId, request: Request, deps: Deps) -> Response:
    """Delete a conversation with all it holds, those of its sub-agents included; what they are doing ends unlogged."""
    await deps.access.get(principal_of(request), conversation_id, "own")
    places = await deps.store.registry.places(await _with_descendants(deps.store, conversation_id))
    await deps.store.registry.delete(conversation_id, principal_of(request).id)
    await deps.store.members.announce(conversation_id)
    await asyncio.gather(*(deps.door.dismiss(member, place) for member, place in places.items()))
    return Response(status_code=204)


@router.get("/{conversation_id}/children", name="children", responses=openapi_problems(*CONVERSATION_PROBLEMS))
async def list_sub_agents(conversation_id: ConversationId, request: Request, deps: Deps) -> dict[str, Any]:
    """The conversations that calls of this one have started, oldest first."""
    principal = principal_of(request)
    meta = await deps.access.get(principal, conversation_id, "read")
    part = await deps.access.part_in(principal, meta)
    metas = await deps.store.registry.children(conversation_id)
    return {"conversations": [_describe(meta, part) for meta in metas]}


async def _with_descendants(store: Store, conversation_id: str) -> list[str]:
    """The conversation and all that descend from it, the oldest generation first."""
    found = [conversation_id]
    for member in found:  # grows while it is walked
        found += [child.id for child in await store.registry.children(member)]
    return found


async def conversation_body(meta: ConversationMeta, principal: Principal, deps: Dependencies) -> dict[str, Any]:
    """A conversation as the API shows it to the principal, who may read it."""
    return _describe(meta, await deps.access.part_in(principal, meta))


def _describe(meta: ConversationMeta, part: Part) -> dict[str, Any]:
    """`state` is the durable one, see fsm_state; `part` is the reader's. A sub-agent is answered at its parent."""
    cached = state_of(meta)
    return {
        "id": meta.id,
        "agent": meta.agent,
        "title": meta.title,
        "channel": meta.channel,
        "archived": meta.archived_at is not None,
        "owner": meta.principal,
        "project": meta.project,
        "rights": [right for right in RIGHT_NAMES if right in part.rights],
        "state": cached["state"],
        "pending": {
            tool_call_id: {**waiting, "may_decide": meta.parent is None and part.may_decide(waiting)}
            for tool_call_id, waiting in cached["pending"].items()
        },
        "parent": meta.parent,
        "parent_call": meta.parent_call,
        "forked_from": None if meta.forked_from is None else {"id": meta.forked_from, "seq": meta.forked_seq},
        "imported_at": meta.imported_at,
        "place": meta.place,
        "last_exit": _last_exit(meta),
        "last_seq": meta.last_seq,
        "created_at": meta.created_at,
        "updated_at": meta.updated_at,
    }


def _last_exit(meta: ConversationMeta) -> ExitReason | None:
    """Why the last incarnation that has gone did so; None if none has, or older code knew no reason."""
    reason = meta.exit or meta.ended
    return ExitReason(reason) if reason in list(ExitReason) else None

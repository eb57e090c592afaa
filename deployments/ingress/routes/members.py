"""The members of a conversation: its owner shares it with others of the tenant, each in a role."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response

from agents.clock import now_ms
from deployments.access.conversations import require_scope
from deployments.access.errors import NotAllowed
from deployments.access.principal import PART
from deployments.ingress.bodies import Membership, body_schema
from deployments.ingress.body_reader import read_body
from deployments.ingress.dependencies import ConversationId, Dependencies, Deps, principal_of
from deployments.ingress.problems import BODY_PROBLEMS, CONVERSATION_PROBLEMS, Problem, openapi_problems
from store import ConversationMeta
from store.principals import tenant_of

MAX_MEMBERS = 100

router = APIRouter(prefix="/v1/conversations/{conversation_id}/members", tags=["access"])
PrincipalId = Annotated[str, Path(pattern=f"^{PART.pattern}(?:/{PART.pattern})?$", description="Such as acme/ada.")]


@router.get("", responses=openapi_problems(*CONVERSATION_PROBLEMS))
async def members(conversation_id: ConversationId, request: Request, deps: Deps) -> dict[str, Any]:
    """The owner, and the members with their roles; a sub-agent's conversation has those of its root."""
    meta = await deps.access.get(principal_of(request), conversation_id, "read")
    root = meta if meta.parent is None else await deps.store.registry.get(meta.root)
    found = [{"principal": principal, "role": role} for principal, role in sorted(root.members.items())]
    return {"owner": root.principal, "members": found}


@router.put(
    "/{principal:path}",
    openapi_extra=body_schema(Membership),
    responses=openapi_problems(*CONVERSATION_PROBLEMS, *BODY_PROBLEMS, "too_many_members"),
)
async def share(
    conversation_id: ConversationId, principal: PrincipalId, request: Request, deps: Deps
) -> dict[str, Any]:
    """Make a principal a member, or give a member another role."""
    meta = await _owned(conversation_id, request, deps)
    body = await read_body(request, Membership, deps.limits)
    if principal == meta.principal:
        raise Problem("invalid_request", "path.principal: it is the owner")
    if tenant_of(principal) != tenant_of(meta.principal):
        raise NotAllowed("members are of the owner's tenant")
    if principal not in meta.members and len(meta.members) >= MAX_MEMBERS:
        raise Problem("too_many_members", f"At most {MAX_MEMBERS} members are taken.")
    await deps.store.members.set(conversation_id, principal, body.role, now_ms(), principal_of(request).id)
    return {"principal": principal, "role": body.role}


@router.delete(
    "/{principal:path}", status_code=204, responses=openapi_problems(*CONVERSATION_PROBLEMS, "invalid_request")
)
async def unshare(conversation_id: ConversationId, principal: PrincipalId, request: Request, deps: Deps) -> Response:
    """End a membership, or leave by oneself; the member's open streams end. To say it twice changes nothing."""
    if principal != principal_of(request).id:
        meta = await _owned(conversation_id, request, deps)
    else:
        meta = await deps.access.get(principal_of(request), conversation_id, "read")
        require_scope(principal_of(request), "write")
    if principal == meta.principal:
        raise Problem("invalid_request", "path.principal: it is the owner")
    await deps.store.members.remove(conversation_id, principal, now_ms(), principal_of(request).id)
    return Response(status_code=204)


async def _owned(conversation_id: str, request: Request, deps: Dependencies) -> ConversationMeta:
    """A conversation that has members of its own, and is the principal's to share. Raises NotAllowed, `Problem`."""
    meta = await deps.access.get(principal_of(request), conversation_id, "own")
    if meta.parent is not None:
        raise Problem("invalid_request", f"path.conversation_id: its members are those of {meta.root}")
    return meta

"""The members of a project, who may name it at the creation of a conversation, and use its files; and its owner."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from deployments.access.conversations import require_scope
from deployments.access.principal import PART
from deployments.access.projects import (
    MAX_MEMBERS,
    add_to_project,
    find_project,
    hand_over_project,
    require_management,
)
from deployments.ingress.bodies import NewOwner, body_schema
from deployments.ingress.body_reader import read_body
from deployments.ingress.dependencies import Deps, principal_of
from deployments.ingress.problems import BODY_PROBLEMS, Problem, openapi_problems
from deployments.ingress.routes.members import PrincipalId
from store.principals import tenant_name_of

router = APIRouter(prefix="/v1/projects/{project}", tags=["access"])
ProjectName = Annotated[str, Path(pattern=f"^{PART.pattern}$")]
Tenant = Annotated[str | None, Query(description="Whose project it is, for operators; else one's own tenant's.")]
PROBLEMS = ("unknown_project", "not_allowed", "invalid_request", "store_unavailable")


@router.get("/members", responses=openapi_problems(*PROBLEMS))
async def members_of_project(
    project: ProjectName, request: Request, deps: Deps, tenant: Tenant = None
) -> dict[str, Any]:
    """The owner, who was the first to use it, and the other members."""
    principal = principal_of(request)
    require_scope(principal, "read")
    found = await find_project(deps.store, principal, project, tenant)
    owner = next((name for name, role in found.members.items() if role == "owner"), None)
    return {"project": project, "owner": owner, "members": sorted(set(found.members) - {owner})}


@router.put("/members/{principal:path}", responses=openapi_problems(*PROBLEMS, "too_many_members"))
async def add_member(
    project: ProjectName, principal: PrincipalId, request: Request, deps: Deps, tenant: Tenant = None
) -> dict[str, Any]:
    """Make a principal of the tenant a member. To say it twice changes nothing."""
    require_scope(principal_of(request), "write")
    by = principal_of(request)
    found = await find_project(deps.store, by, project, tenant)
    require_management(found)
    about = {"project": found.id, "member": principal}
    async with deps.audit.act("project_member_added", by, tenant=tenant_name_of(found.id), data=about):
        if not await add_to_project(deps.store, found, principal):
            raise Problem("too_many_members", f"At most {MAX_MEMBERS} members are taken.")
    return {"principal": principal}


@router.delete("/members/{principal:path}", status_code=204, responses=openapi_problems(*PROBLEMS))
async def remove_member(
    project: ProjectName, principal: PrincipalId, request: Request, deps: Deps, tenant: Tenant = None
) -> Response:
    """End a membership, or leave by oneself. To say it twice changes nothing."""
    by = principal_of(request)
    require_scope(by, "write")
    found = await find_project(deps.store, by, project, tenant)
    if principal != by.id:
        require_management(found)
    if found.members.get(principal) == "owner":
        raise Problem("invalid_request", "path.principal: it is the owner")
    tenant, about = tenant_name_of(found.id), {"project": found.id, "member": principal}
    async with deps.audit.act("project_member_removed", by, tenant=tenant, data=about, takes_away=True):
        if not await deps.store.projects.remove(found.id, principal):
            raise Problem("invalid_request", "path.principal: it is the owner")
    return Response(status_code=204)


@router.put("/owner", openapi_extra=body_schema(NewOwner), responses=openapi_problems(*PROBLEMS, *BODY_PROBLEMS))
async def hand_over(project: ProjectName, request: Request, deps: Deps, tenant: Tenant = None) -> dict[str, Any]:
    """Make a member the owner; who has owned the project stays a member, and may leave. Twice is once."""
    by = principal_of(request)
    require_scope(by, "write")
    found = await find_project(deps.store, by, project, tenant)
    body = await read_body(request, NewOwner, deps.limits)
    answer = {"project": project, "owner": body.principal}
    if found.members.get(body.principal) == "owner":
        return answer  # it may be the former owner who asks again
    require_management(found)
    about = {"project": found.id, "member": body.principal}
    async with deps.audit.act("project_handed_over", by, tenant=tenant_name_of(found.id), data=about):
        if not await hand_over_project(deps.store, found, body.principal):
            raise Problem("invalid_request", "principal: it is no member of the project")
    return answer

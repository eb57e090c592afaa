"""Limits: what principals and tenants may use, and what they use now; admins set them."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response

from deployments.access.errors import NotAllowed
from deployments.access.limits import Subject, subjects_of
from deployments.access.principal import PART, Principal
from deployments.ingress.bodies import NewLimits, body_schema
from deployments.ingress.body_reader import read_body
from deployments.ingress.dependencies import Dependencies, Deps, principal_of
from deployments.ingress.problems import BODY_PROBLEMS, openapi_problems
from store.registries.limits import tenant_of_subject

router = APIRouter(prefix="/v1/limits", tags=["access"])
Named = Annotated[
    str, Path(pattern=f"^{PART.pattern}(?:/{PART.pattern})?$", description="A principal, acme/ada, or a tenant, acme.")
]
PROBLEMS = ("invalid_request", "not_allowed", "store_unavailable")


@router.get("", responses=openapi_problems("store_unavailable"))
async def own(request: Request, deps: Deps) -> dict[str, Any]:
    """One's own limits with what one uses, and the limits of one's tenant."""
    principal = principal_of(request)
    own, *tenants = subjects_of(principal.id)
    body: dict[str, Any] = await _shown(own, deps)
    if tenants:
        body["tenant"] = {"subject": tenants[0].name, "limits": (await deps.known_limits.read(tenants[0])).shown()}
    return body


@router.get("/{subject:path}", responses=openapi_problems(*PROBLEMS))
async def get(subject: Named, request: Request, deps: Deps) -> dict[str, Any]:
    """The limits of a principal or a tenant, and what it uses now."""
    principal = principal_of(request)
    if subject != principal.id and not _administers(principal, subject):
        raise NotAllowed("the limits of others are for admins")
    return await _shown(_named(subject, principal), deps)


@router.put(
    "/{subject:path}",
    openapi_extra=body_schema(NewLimits),
    responses=openapi_problems(*BODY_PROBLEMS, *PROBLEMS),
)
async def put(subject: Named, request: Request, deps: Deps) -> dict[str, Any]:
    """Set limits in place of the earlier ones; a limit that is left out is as for all. They hold within ten seconds."""
    principal = _require_setter(request, subject)
    body = await read_body(request, NewLimits, deps.limits)
    values = body.model_dump(exclude_unset=True)
    about = {"subject": subject, "limits": values}
    async with deps.audit.act("limits_set", principal, tenant=tenant_of_subject(subject), data=about):
        await deps.store.limits.set(subject, values)
    deps.known_limits.forget()
    return await _shown(_named(subject, principal), deps)


@router.delete("/{subject:path}", status_code=204, responses=openapi_problems(*PROBLEMS))
async def delete(subject: Named, request: Request, deps: Deps) -> Response:
    """Let the same hold as for all."""
    principal = _require_setter(request, subject)
    about = {"subject": subject}
    async with deps.audit.act("limits_cleared", principal, tenant=tenant_of_subject(subject), data=about):
        await deps.store.limits.remove(subject)
    deps.known_limits.forget()
    return Response(status_code=204)


async def _shown(subject: Subject, deps: Dependencies) -> dict[str, Any]:
    limits = await deps.known_limits.read(subject)
    return {"subject": subject.name, "limits": limits.shown(), "used": await deps.request_limits.used(subject)}


def _named(subject: str, principal: Principal) -> Subject:
    """A name without a tenant is one, but for the one person where no credentials are asked for."""
    return Subject(subject, is_tenant="/" not in subject and subject != principal.id)


def _administers(principal: Principal, subject: str) -> bool:
    return principal.administers(tenant_of_subject(subject))


def _require_setter(request: Request, subject: str) -> Principal:
    """Raises NotAllowed."""
    principal = principal_of(request)
    if not _administers(principal, subject):
        raise NotAllowed("limits are set by admins")
    if "/" not in subject and not principal.acts_as("operator"):
        raise NotAllowed("the limits of a tenant are set by operators")
    return principal

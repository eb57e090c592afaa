"""The audit: admins read that of their tenant, operators any."""

from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from deployments.access.errors import NotAllowed
from deployments.access.principal import PART, Principal
from deployments.ingress.dependencies import Deps, principal_of
from deployments.ingress.problems import openapi_problems
from deployments.ingress.streams.download import DownloadResponse
from store import Store
from store.audit.search import AuditQuery, search
from store.principals import NO_TENANT

MEDIA_TYPE: Final = "application/x-ndjson"
PROBLEMS: Final = openapi_problems("invalid_request", "not_allowed", "store_unavailable")

router = APIRouter(prefix="/v1/audit", tags=["access"])
Tenant = Annotated[
    str | None,
    Query(pattern=f"^(?:{PART.pattern}|{NO_TENANT})$", description="Another tenant's, for operators; `-`: of none."),
]
Time = Annotated[int | None, Query(ge=0, le=2**53, description="Milliseconds since 1970.")]
Word = Annotated[str | None, Query(max_length=300)]
Seq = Annotated[int | None, Query(ge=1, le=2**53)]


@router.get("", responses=PROBLEMS)
async def lines(
    request: Request,
    deps: Deps,
    tenant: Tenant = None,
    type: Word = None,  # noqa: A002 - it is the name in the address
    principal: Word = None,
    conversation: Word = None,
    since: Time = None,
    until: Time = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    cursor: Seq = None,
) -> dict[str, Any]:
    """A page of lines, the newest first. It may have fewer than `limit`, even none, and not be the last."""
    named = _readable(principal_of(request), tenant)
    query = AuditQuery(type, principal, conversation, since, until)
    found, following = await search(deps.store.audit, named, query, limit=limit, before=cursor)
    return {"lines": [line.fields() for line in found], "next": following}


@router.get(
    "/export",
    response_class=StreamingResponse,
    response_model=None,
    responses={
        **PROBLEMS,
        **openapi_problems("overloaded", "store_unavailable"),
        200: {"content": {MEDIA_TYPE: {}}, "description": "JSON Lines"},
    },
)
async def export(request: Request, deps: Deps, tenant: Tenant = None, after: Seq = None) -> Response:
    """All lines behind the seq `after`, the oldest first, as JSON Lines. The end of the credential cuts it off."""
    principal = principal_of(request)
    named = _readable(principal, tenant)
    head = await deps.store.audit.head(named)  # while nothing has been sent, that the store is away is a problem
    written = _exported(deps.store, named, after or 0, head.seq)
    return DownloadResponse(written, deps, principal, None, name=f"audit-{named}.jsonl", media_type=MEDIA_TYPE)


@router.get("/heads", responses=PROBLEMS)
async def heads(request: Request, deps: Deps, tenant: Tenant = None) -> dict[str, Any]:
    """Where the chains that one may read end: kept elsewhere, it shows later that nothing was cut off or made anew."""
    principal = principal_of(request)
    named = _readable(principal, tenant)
    names = await deps.store.audit.tenants() if tenant is None and principal.acts_as("operator") else [named]
    return {"heads": [asdict(await deps.store.audit.head(name)) for name in names]}


async def _exported(store: Store, tenant: str, after: int, through: int) -> AsyncIterator[bytes]:
    """A page of lines at a time; a reader that is slow makes the next one wait."""
    while after < through and (page := await store.audit.read(tenant, after=after)):
        after = page[-1].seq
        yield b"".join(line.exported() for line in page if line.seq <= through)


def _readable(principal: Principal, tenant: str | None) -> str:
    """The tenant whose audit is asked for. Raises NotAllowed."""
    named = tenant or principal.tenant or NO_TENANT
    if not principal.administers(named):
        raise NotAllowed("the audit is for admins of the tenant")
    return named

"""API keys: people make, see and revoke their own, admins those of their tenant, operators all."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from agents.clock import now_ms
from deployments.access.granting import NotGranted, WantedKey, facts_of, grant_key, is_shown_by, made_by, may_manage
from deployments.access.principal import PART
from deployments.ingress.bodies import NewKey, body_schema
from deployments.ingress.body_reader import read_body
from deployments.ingress.dependencies import Deps, principal_of
from deployments.ingress.problems import BODY_PROBLEMS, Problem, note_refusal, openapi_problems
from store.registries.api_keys import ApiKey

router = APIRouter(prefix="/v1/keys", tags=["access"])
KeyId = Annotated[str, Path(pattern=r"^[a-z2-7]{12}$")]
Tenant = Annotated[str | None, Query(pattern=f"^{PART.pattern}$", description="Another tenant, for operators.")]


@router.post(
    "",
    status_code=201,
    openapi_extra=body_schema(NewKey),
    responses=openapi_problems(*BODY_PROBLEMS, "not_allowed", "store_unavailable"),
)
async def create(request: Request, deps: Deps) -> dict[str, Any]:
    """Make a key. `key` is shown here and never again: only a hash of it is kept."""
    body, now = await read_body(request, NewKey, deps.limits), now_ms()
    expires_at = None if body.seconds is None else now + body.seconds * 1000
    wanted = WantedKey(body.tenant, body.user, body.roles, body.scopes, body.label, expires_at)
    try:
        kept, text = grant_key(principal_of(request), wanted, now)
    except NotGranted as error:
        raise Problem("not_allowed", f"{str(error).capitalize()}.") from error
    facts = {**facts_of(kept), **made_by(principal_of(request))}
    async with deps.audit.act("key_created", principal_of(request), tenant=kept.tenant, data=facts):
        await deps.store.api_keys.add(kept)
    return {**_key_body(kept), "key": text}


@router.get("", responses=openapi_problems("invalid_request", "not_allowed", "store_unavailable"))
async def list_keys(request: Request, deps: Deps, tenant: Tenant = None) -> dict[str, Any]:
    """One's own keys; an admin's list has those of the whole tenant."""
    principal = principal_of(request)
    named = tenant or principal.tenant
    if named != principal.tenant and not principal.acts_as("operator"):
        raise Problem("not_allowed", "The keys of other tenants are for operators.")
    keys = [] if named is None else await deps.store.api_keys.list(named)
    return {"keys": [_key_body(key) for key in keys if may_manage(principal, key)]}


@router.delete(
    "/{key_id}",
    status_code=204,
    responses=openapi_problems("invalid_request", "not_allowed", "unknown_key", "store_unavailable"),
)
async def revoke(key_id: KeyId, request: Request, deps: Deps) -> Response:
    """Revoke a key: it counts no longer, within seconds, and its open streams end.

    A credential without the scope `write` or `admin` can end itself alone.
    """
    key = await deps.store.api_keys.get(key_id)
    principal = principal_of(request)
    if key is None or not may_manage(principal, key):
        note_refusal(request.scope, "unknown_key", concealed_of=None if key is None else key.tenant)
        raise Problem("unknown_key", f"There is no key {key_id}.")
    if not is_shown_by(principal, key) and principal.scopes.isdisjoint({"write", "admin"}):
        raise Problem("not_allowed", "Your credential may end itself alone: it lacks the scope write.")
    facts = facts_of(key)
    async with deps.audit.act("key_revoked", principal, tenant=key.tenant, data=facts, takes_away=True):
        await deps.store.api_keys.remove(key)
    return Response(status_code=204)


def _key_body(key: ApiKey) -> dict[str, Any]:
    """A key as the API shows it, without what is kept of its secret."""
    return {name: value for name, value in asdict(key).items() if name != "digest"}

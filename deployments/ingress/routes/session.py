"""Signing in on the page with an API key, signing out, and who one is."""

from contextlib import suppress
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from deployments.access.errors import CredentialsRefused
from deployments.access.principal import LOCAL, Principal
from deployments.ingress.authentication import COOKIE, is_page, refusal, session_cookie
from deployments.ingress.bodies import SignIn, body_schema
from deployments.ingress.body_reader import read_body
from deployments.ingress.dependencies import Deps, principal_of
from deployments.ingress.problems import (
    BODY_PROBLEMS,
    CREDENTIAL_PROBLEMS,
    PRINCIPAL_PROBLEMS,
    Problem,
    openapi_problems,
)
from deployments.ingress.refusal_counter import address_of

router = APIRouter(prefix="/v1/session", tags=["access"])


@router.post(
    "",
    response_model=None,
    openapi_extra=body_schema(SignIn),
    responses=openapi_problems(*BODY_PROBLEMS, *CREDENTIAL_PROBLEMS, *PRINCIPAL_PROBLEMS, "store_unavailable"),
)
async def sign_in(request: Request, deps: Deps) -> Response:
    """Sign in with an API key: the answer has a cookie that no script can read. The key itself is not kept there."""
    if not is_page(request.scope):
        raise Problem("page_header_missing", "Only the page of this service signs in so; programs show their key.")
    body = await read_body(request, SignIn, deps.limits)
    if deps.authenticator.is_off:
        return JSONResponse(_session_body(LOCAL))
    try:
        principal = await deps.authenticator.by_key(body.key.strip())
    except CredentialsRefused as refused:
        return refusal(refused.reason, request.scope)
    await deps.request_limits.admit(principal.id)  # before it signs in nothing says who asks
    await deps.audit.record("signed_in", principal, address_of(request.scope))
    secret = await deps.authenticator.begin_session(principal)
    response = JSONResponse(_session_body(principal))
    response.set_cookie(COOKIE, secret, httponly=True, samesite="strict", path="/", secure=_is_secure(request))
    return response


@router.get("", responses=openapi_problems("store_unavailable"))
async def who(request: Request) -> dict[str, Any]:
    """Who one is, and what one's credential may be used for."""
    return _session_body(principal_of(request))


@router.delete("", status_code=204, responses=openapi_problems("page_header_missing", "store_unavailable"))
async def sign_out(request: Request, deps: Deps) -> Response:
    """End the session, and its open streams with it. A key that is shown in the request counts as before."""
    secret = session_cookie(request.scope)
    if secret is not None and not deps.authenticator.is_off:
        with suppress(CredentialsRefused):  # it has ended
            principal = await deps.authenticator.by_session(secret)
            await deps.audit.record("signed_out", principal, address_of(request.scope), takes_away=True)
        await deps.authenticator.end_session(secret)
    response = Response(status_code=204)
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict", secure=_is_secure(request))
    return response


def _is_secure(request: Request) -> bool:
    """Whether the person's browser speaks TLS, to us or to a proxy before us."""
    return "https" in (request.headers.get("x-forwarded-proto"), request.url.scheme)


def _session_body(principal: Principal) -> dict[str, Any]:
    """`key_id` names the API key that the request shows, or that its session stands for; None for a token."""
    credential = principal.credential
    shown = credential.id if credential and credential.kind == "key" else None
    return {
        "principal": principal.id,
        "tenant": principal.tenant,
        "user": principal.user,
        "roles": sorted(principal.roles),
        "scopes": sorted(principal.scopes),
        "key_id": credential.key_id if credential and credential.kind == "session" else shown,
        "signed_in": credential is not None and credential.kind == "session",
    }

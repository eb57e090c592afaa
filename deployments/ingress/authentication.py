"""Asks each request for credentials and says who acts, before any route sees it."""

from typing import Any, Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from deployments.access.authenticator import Authenticator
from deployments.access.errors import CredentialsRefused, Reason
from deployments.access.gateway import HEADER
from deployments.access.limits import LimitReached
from deployments.access.principal import LOCAL, Principal
from deployments.ingress.problems import (
    CREDENTIAL_PROBLEMS,
    PRINCIPAL_PROBLEMS,
    Problem,
    note_refusal,
    openapi_problems,
    problem_response,
)
from store import StoreUnavailable

PUBLIC: Final = frozenset(
    [
        ("GET", "/"),
        ("HEAD", "/"),
        ("GET", "/healthz"),
        ("GET", "/readyz"),
        ("GET", "/openapi.json"),
        ("POST", "/v1/session"),
    ]
)
"""What is answered without credentials, beside the page's own files: it tells about no person and no conversation."""
PUBLIC_FILES: Final = "/static/"
SCHEME: Final = "bearer"
COOKIE: Final = "raylogue_session"
PAGE_HEADER: Final = b"x-raylogue-page"
READING: Final = frozenset({"GET", "HEAD"})
CHALLENGE: Final = 'Bearer realm="raylogue"'
DETAILS: Final[dict[Reason, str]] = {
    "credentials_missing": "Send an API key or a token: `Authorization: Bearer <it>`.",
    "credentials_malformed": "One header `Authorization: Bearer <API key or token>` is taken.",
    "credentials_expired": "Get new ones.",
    "credentials_invalid": "There are no such credentials, or no longer.",
    "wrong_audience": "The token was made for another service.",
    "context_invalid": "X-Raylogue-Context is not what this service's gateway sends for this request.",
}


class Authentication:
    """ASGI middleware. The principal is the scope's `user`, as Starlette names it; without a valid one: 401.

    `gateway_context` is what one's own gateway has sent along.
    Who it is may have asked too often: then it is 429.

    It needs the application's dependencies, so it stands behind what needs none.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            try:
                await self._identify(scope)
            except CredentialsRefused as error:
                await refusal(error.reason, scope)(scope, receive, send)
                return
            except Problem as refused:
                note_refusal(scope, refused.code)
                await problem_response(refused, quote(scope["path"]))(scope, receive, send)
                return
            except LimitReached as reached:
                problem = Problem("limit_reached", str(reached), reached.members)
                note_refusal(scope, problem.code)
                await problem_response(problem, quote(scope["path"]))(scope, receive, send)
                return
            except StoreUnavailable:
                problem = Problem("store_unavailable", "The store does not answer now; try again.")
                note_refusal(scope, problem.code)
                await problem_response(problem, quote(scope["path"]))(scope, receive, send)
                return
        await self.app(scope, receive, send)

    async def _identify(self, scope: Scope) -> None:
        dependencies = scope["app"].state.dependencies
        authenticator: Authenticator = dependencies.authenticator
        needs_none = is_public(scope["method"], scope["path"])
        if needs_none and not authenticator.is_off:
            return
        user = scope["user"] = LOCAL if authenticator.is_off else await _principal(authenticator, scope)
        shown = [value for name, value in scope["headers"] if name == HEADER]
        scope["gateway_context"] = authenticator.gateway.read(shown, user)
        if not needs_none:
            await dependencies.request_limits.admit(user.id)


async def _principal(authenticator: Authenticator, scope: Scope) -> Principal:
    """By what the request shows, else by the page's cookie. Raises CredentialsRefused, `Problem`, StoreUnavailable.

    A browser sends the cookie with requests that other pages have it make, so a write must show that it is the page's:
    no other page can set a header of its own without asking first.
    """
    shown = [value for name, value in scope["headers"] if name == b"authorization"]
    if not shown and (secret := session_cookie(scope)) is not None:
        if scope["method"] not in READING and not is_page(scope):
            raise Problem("page_header_missing", "Send X-Raylogue-Page: 1 with it, as the page does.")
        return await authenticator.by_session(secret)
    if not shown:
        raise CredentialsRefused("credentials_missing")
    scheme, _, token = shown[0].decode("latin-1").partition(" ")
    if len(shown) > 1 or scheme.lower() != SCHEME or not token.strip():
        raise CredentialsRefused("credentials_malformed")
    return await authenticator.authenticate(token.strip())


def session_cookie(scope: Scope) -> str | None:
    """The secret in the page's cookie, if there is one."""
    request = Request(scope)
    return request.cookies.get(COOKIE) or None


def is_page(scope: Scope) -> bool:
    """Whether the request has the page's own header."""
    return any(name == PAGE_HEADER and value == b"1" for name, value in scope["headers"])


def is_public(method: str, path: str) -> bool:
    """Whether this is answered without credentials."""
    return (method, path) in PUBLIC or path.startswith(PUBLIC_FILES)


def refusal(reason: Reason, scope: Scope) -> Response:
    """The 401 for these credentials."""
    note_refusal(scope, reason)
    error = "" if reason == "credentials_missing" else f', error="invalid_token", error_description="{DETAILS[reason]}"'
    headers = {"WWW-Authenticate": CHALLENGE + error}
    return problem_response(Problem(reason, DETAILS[reason]), quote(scope["path"]), headers)


def describe_security(document: dict[str, Any]) -> None:
    """Say in an OpenAPI document which addresses ask for credentials, and how they refuse."""
    document["components"]["securitySchemes"] = {
        SCHEME: {"type": "http", "scheme": SCHEME},
        "session": {"type": "apiKey", "in": "cookie", "name": COOKIE},
    }
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if not is_public(method.upper(), path):
                operation["security"] = [{SCHEME: []}, {"session": []}]
                for status, response in openapi_problems(*CREDENTIAL_PROBLEMS, *PRINCIPAL_PROBLEMS).items():
                    operation["responses"].setdefault(str(status), response)

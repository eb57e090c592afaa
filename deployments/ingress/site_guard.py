"""Keeps other websites out: a browser on this machine runs their pages too, and would talk to the service for them."""

from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from deployments.ingress.problems import Problem, note_refusal, problem_response
from deployments.settings import is_loopback

ANY_HOST: Final = "*"
OWN_SITE: Final = frozenset({b"same-origin", b"none"})
"""What `Sec-Fetch-Site` says of requests of the page itself, and of addresses that a person has typed."""
DEFAULT_PORTS: Final = {"http": ":80", "https": ":443", "": ""}

FOREIGN_HOST = "This service does not answer for {}: name it in RAYLOGUE_ALLOWED_HOSTS if it should."
FOREIGN_ORIGIN = "The page of another site asked for this. Only the page of this service may."


class SiteGuard:
    """ASGI middleware. It answers 403 to names that are not the service's own, and to requests of other sites' pages.

    An attacker's name may point to this machine, so its pages count as the same site for a browser: only the `Host`
    header tells. A page of another site may send requests without asking (forms, images, `no-cors`), and although it
    cannot read the answers, the requests would count. Programs send neither `Origin` nor `Sec-Fetch-Site`.

    `allowed` are names beside the loopback ones; `*.example.org` are all below it, `*` is any.
    """

    def __init__(self, app: ASGIApp, allowed: Iterable[str]) -> None:
        self.app = app
        names = frozenset(name.lower() for name in allowed)
        self._any = ANY_HOST in names
        self._names = names
        self._parents = tuple(name[1:] for name in names if name.startswith("*."))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket") and (problem := self._problem(scope)) is not None:
            note_refusal(scope, problem.code)
            await problem_response(problem, scope["path"])(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def _problem(self, scope: Scope) -> Problem | None:
        hosts, origin, site, mode = _headers(scope)
        if len(hosts) > 1:
            return Problem("foreign_host", "A request names one host.")
        host = hosts[0] if hosts else None
        if host is not None and not self._answers_for(host):
            return Problem("foreign_host", FOREIGN_HOST.format(ascii(host)[:100]))
        if origin is not None:
            return None if _is_own(origin, host) else Problem("foreign_origin", FOREIGN_ORIGIN)
        is_link = mode == b"navigate" and scope.get("method") in ("GET", "HEAD")  # followed by a person on any site
        if site is None or site in OWN_SITE or is_link:
            return None
        return Problem("foreign_origin", FOREIGN_ORIGIN)

    def _answers_for(self, host: str) -> bool:
        name = _name(host)
        return self._any or is_loopback(name) or name in self._names or name.endswith(self._parents)


def _headers(scope: Scope) -> tuple[list[str], str | None, bytes | None, bytes | None]:
    """Each `Host`; `Origin`, `Sec-Fetch-Site`, `Sec-Fetch-Mode`."""
    hosts: list[str] = []
    origin = site = mode = None
    for name, value in scope["headers"]:
        if name == b"host":
            hosts.append(value.decode("latin-1"))
        elif name == b"origin":
            origin = value.decode("latin-1")
        elif name == b"sec-fetch-site":
            site = value
        elif name == b"sec-fetch-mode":
            mode = value
    return hosts, origin, site, mode


def _name(host: str) -> str:
    """The name or address in a `Host` header, without its port and the brackets and the final dot that it may have."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].removesuffix(".").lower()


def _is_own(origin: str, host: str | None) -> bool:
    """Whether the origin is the address that was asked. A proxy before us may speak TLS, so the scheme says nothing."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    if host is None or parts.scheme not in ("http", "https"):
        return False
    port = DEFAULT_PORTS[parts.scheme]
    return parts.netloc.lower().removesuffix(port) == host.lower().removesuffix(port)

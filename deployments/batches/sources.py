"""Which URLs people may name: public web addresses, and what the operator has allowed; never our own network."""

import ipaddress
import posixpath
import socket
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import aiohttp

WEB: Final = ("http", "https")
TIMEOUT: Final = aiohttp.ClientTimeout(total=None, connect=10, sock_read=60)


class ForbiddenUrl(Exception):
    """A URL that people may not name. The sentence is shown to them."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(url, reason)
        self.url = url
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.url[:200]} cannot be used: {self.reason}"


def require_readable(url: str, allowed: Sequence[str]) -> None:
    """Raises ForbiddenUrl, unless it is a web address, or begins with one of the operator's prefixes.

    Where the address leads is found out when it is opened, with `options_for`.
    """
    if not _is_allowed(url, allowed) and urlsplit(url).scheme not in WEB:
        raise ForbiddenUrl(url, _hint(allowed))


def require_writable(url: str, allowed: Sequence[str]) -> None:
    """Raises ForbiddenUrl, unless it begins with one of the operator's prefixes."""
    if not _is_allowed(url, allowed):
        raise ForbiddenUrl(url, _hint(allowed))


def options_for(url: str, allowed: Sequence[str]) -> Mapping[str, Any]:
    """The options of the driver of fsspec for a URL that was checked.

    A web address that the operator has not allowed is opened by public connections alone, wherever it leads.
    """
    if urlsplit(url).scheme in WEB:
        return {"block_size": 0, **({} if _is_allowed(url, allowed) else {"get_client": _public_client})}
    return {}


def _is_allowed(url: str, allowed: Sequence[str]) -> bool:
    if "::" in url or any(character.isspace() for character in url):  # fsspec would chain drivers
        return False
    path = unquote(urlsplit(url).path)
    if posixpath.normpath(path) != path.rstrip("/") and path not in ("", "/"):  # such as with `..`
        return False
    return any(url.startswith(prefix if prefix.endswith("/") else f"{prefix}/") for prefix in allowed)


def _hint(allowed: Sequence[str]) -> str:
    places = ", ".join(allowed) or "none"
    return f"upload the file, or name a web address, or what is below a place that the operator allows ({places})"


async def _public_client(**options: Any) -> aiohttp.ClientSession:  # noqa: ANN401 - what fsspec passes on
    connector = aiohttp.TCPConnector(socket_factory=_public_socket)
    return aiohttp.ClientSession(connector=connector, timeout=TIMEOUT, trust_env=False)


def _public_socket(address: tuple[Any, ...]) -> socket.socket:
    """Called for each connection, also behind a redirect, with the address that the name has led to just now."""
    family, kind, protocol, _, where = address
    found = ipaddress.ip_address(where[0].partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    if not found.is_global or found.is_multicast:
        raise OSError("the address is not a public one")
    return socket.socket(family, kind, protocol)

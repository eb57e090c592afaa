"""The routes of the page: `/` and its static files, under a policy that trusts only this origin."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fastapi import APIRouter, HTTPException, Request, Response

STATIC: Final = Path(__file__).parent / "static"
MEDIA_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
SECURITY_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
OWN_MODULE: Final = "own.js"
OWN_SCRIPT: Final = f'  <script type="module" src="/static/current/{OWN_MODULE}"></script>\n</head>'.encode()
REVALIDATE: Final = "no-cache"
FOR_EVER: Final = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    """One file, ready to be sent."""

    body: bytes
    media_type: str
    etag: str


def load_assets(root: Path = STATIC, own_module: Path | None = None) -> Mapping[str, Asset]:
    """Every file under `root` by its relative path: a name that is not in here does not exist.

    `own_module` is an operator's module, which the page runs after its own. Raises OSError if it cannot be read.
    """
    files = sorted(path for path in root.rglob("*") if path.suffix in MEDIA_TYPES)
    assets = {path.relative_to(root).as_posix(): _asset(path.read_bytes(), path.suffix) for path in files}
    if own_module is not None:
        assets[OWN_MODULE] = _asset(own_module.read_bytes(), ".js")
        assets["index.html"] = _asset(assets["index.html"].body.replace(b"</head>", OWN_SCRIPT), ".html")
    return assets


def assets_version(assets: Mapping[str, Asset]) -> str:
    """A digest of all files together, so that a page never mixes modules of two versions."""
    return _digest(b"\n".join(f"{name} {asset.etag}".encode() for name, asset in assets.items()))


def page_router(assets: Mapping[str, Asset] | None = None) -> APIRouter:
    """The router of the page; `assets` are read once, from this package unless given."""
    files = load_assets() if assets is None else assets
    current = assets_version(files)
    index = _pin_version(files["index.html"], current)
    router = APIRouter(include_in_schema=False)

    @router.api_route("/", methods=["GET", "HEAD"])
    async def page(request: Request) -> Response:
        return _respond(request, index, REVALIDATE)

    @router.api_route("/static/{version}/{name:path}", methods=["GET", "HEAD"])
    async def static(request: Request, version: str, name: str) -> Response:
        if name not in files:
            raise HTTPException(status_code=404)
        return _respond(request, files[name], FOR_EVER if version == current else REVALIDATE)

    return router


def _respond(request: Request, asset: Asset, cache_control: str) -> Response:
    headers = SECURITY_HEADERS | {"ETag": asset.etag, "Cache-Control": cache_control}
    if asset.etag in (tag.strip() for tag in request.headers.get("if-none-match", "").split(",")):
        return Response(status_code=304, headers=headers)
    return Response(asset.body, media_type=asset.media_type, headers=headers)


def _pin_version(index: Asset, version: str) -> Asset:
    # The version is part of every address: files are cached for ever, and an upgrade changes all at once.
    return _asset(index.body.replace(b"/static/current/", f"/static/{version}/".encode()), ".html")


def _asset(body: bytes, suffix: str) -> Asset:
    return Asset(body, MEDIA_TYPES[suffix], f'"{_digest(body)}"')


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]

"""Whether this replica lives and may be sent requests, and what a front end needs to know first."""

from importlib.metadata import version
from typing import Any

from fastapi import APIRouter

from deployments.ingress.dependencies import Deps
from deployments.ingress.problems import Problem, openapi_problems
from deployments.process.agents import is_offline

router = APIRouter(tags=["service"])


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz", responses=openapi_problems("store_unavailable", "replica_draining", "hosts_starting"))
async def readyz(deps: Deps) -> dict[str, str]:
    """The store answers as well, and hosts do, so messages are taken at once; and this replica is not about to go."""
    if deps.draining.has_begun:
        raise Problem("replica_draining", "This replica is about to stop; others answer.")
    await deps.store.ping()
    if not deps.host_supply.is_ready:
        raise Problem("hosts_starting", "No conversation can start before a host of theirs answers.")
    return {"status": "ready"}


@router.get("/v1/info")
async def info(deps: Deps) -> dict[str, Any]:
    """The version, whether the default agent is offline, where the dashboard is, how large a message may be."""
    settings = deps.settings
    return {
        "version": version("raylogue"),
        "offline": is_offline(deps.catalog.get(deps.catalog.default)),
        "dashboard": settings.dashboard_url,
        "max_attachment_bytes": settings.max_attachment_bytes,
    }

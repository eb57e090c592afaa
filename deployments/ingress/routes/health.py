"""Whether this replica lives and may be sent requests, and what a front end needs to know first."""

from importlib.metadata import version
from typing import Any

from fastapi import APIRouter

from deployments.ingress.dependencies import TheService
from deployments.ingress.problems import Problem, documented

router = APIRouter(tags=["service"])


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz", responses=documented("store_unavailable", "replica_draining"))
async def readyz(service: TheService) -> dict[str, str]:
    """The store answers as well, so messages can be accepted; and this replica is not about to go."""
    if service.draining.begun:
        raise Problem("replica_draining", "This replica is about to stop; others answer.")
    await service.store.ping()
    return {"status": "ready"}


@router.get("/v1/info")
async def info(service: TheService) -> dict[str, Any]:
    """The version, whether answers come from the offline script, where the dashboard is, how large a message may be."""
    settings = service.settings
    return {
        "version": version("raylogue"),
        "offline": settings.offline,
        "dashboard": settings.dashboard_url,
        "max_attachment_bytes": settings.max_attachment_bytes,
    }

"""The standing instructions of the person who asks: what this person tells every agent."""

from typing import Any

from fastapi import APIRouter, Request

from agents.clock import now_ms
from agents.middleware.file_system.mounts import INSTRUCTIONS
from deployments.access.conversations import require_scope
from deployments.ingress.bodies import NewInstructions, body_schema
from deployments.ingress.body_reader import read_body
from deployments.ingress.dependencies import Deps, principal_of
from deployments.ingress.problems import BODY_PROBLEMS, openapi_problems
from store import Scope
from store.errors import FileMissing

router = APIRouter(prefix="/v1/instructions", tags=["memory"])


@router.get("", responses=openapi_problems("not_allowed", "store_unavailable"))
async def get_instructions(request: Request, deps: Deps) -> dict[str, Any]:
    """The text, with its version; 0: there is none."""
    principal = principal_of(request)
    require_scope(principal, "read")
    try:
        file = await deps.store.files.read(Scope("user", principal.id), INSTRUCTIONS)
    except FileMissing:
        return {"text": "", "version": 0}
    return {"text": file.content.decode(errors="replace"), "version": file.info.version}


@router.put(
    "",
    openapi_extra=body_schema(NewInstructions),
    responses=openapi_problems(
        *BODY_PROBLEMS,
        "not_allowed",
        "file_conflict",
        "file_exists",
        "unknown_file",
        "scope_full",
        "store_unavailable",
    ),
)
async def set_instructions(request: Request, deps: Deps) -> dict[str, Any]:
    """Replace them, if they still have the version that was read."""
    principal = principal_of(request)
    require_scope(principal, "write")
    body = await read_body(request, NewInstructions, deps.limits)
    version = await deps.store.files.write(
        Scope("user", principal.id),
        INSTRUCTIONS,
        body.text.encode(),
        expected_version=body.version or None,
        now=now_ms(),
    )
    return {"text": body.text, "version": version}

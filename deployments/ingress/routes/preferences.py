"""A person's own choices: for tools that leave it to each user, whether a call waits for an approval."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request

from agents.agent import Catalog
from agents.conversation.approval_policy import approval_preference
from deployments.access.conversations import require_scope
from deployments.ingress.bodies import ApprovalChoice, body_schema
from deployments.ingress.body_reader import read_body
from deployments.ingress.dependencies import Deps, principal_of
from deployments.ingress.problems import BODY_PROBLEMS, Problem, openapi_problems

PREFIX = approval_preference("")
"""What the names of these preferences begin with; the tool's name follows."""

router = APIRouter(prefix="/v1/preferences/approvals", tags=["preferences"])
ToolName = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,128}$")]


@router.get("", responses=openapi_problems("not_allowed", "store_unavailable"))
async def choices(request: Request, deps: Deps) -> dict[str, Any]:
    """All choices that were made, by tool."""
    require_scope(principal_of(request), "read")
    preferences = await deps.store.preferences.all(principal_of(request).id)
    chosen = {name.removeprefix(PREFIX): value for name, value in preferences.items() if name.startswith(PREFIX)}
    return {"approvals": chosen}


@router.get("/{tool}", responses=openapi_problems("invalid_request", "not_allowed", "store_unavailable"))
async def choice(tool: ToolName, request: Request, deps: Deps) -> dict[str, Any]:
    """The choice for one tool; null: none was made, the tool's own default holds."""
    require_scope(principal_of(request), "read")
    return {"approval": await deps.store.preferences.get(principal_of(request).id, approval_preference(tool))}


@router.put(
    "/{tool}",
    openapi_extra=body_schema(ApprovalChoice),
    responses=openapi_problems(*BODY_PROBLEMS, "not_allowed", "store_unavailable"),
)
async def choose(tool: ToolName, request: Request, deps: Deps) -> dict[str, Any]:
    """Choose for one tool, or take the choice back with null."""
    require_scope(principal_of(request), "decide")
    body = await read_body(request, ApprovalChoice, deps.limits)
    if not _has_choice(deps.catalog, tool):
        raise Problem("invalid_request", f"path.tool: no tool {tool!r} leaves its approval to you")
    principal, chosen = principal_of(request), {"tool": tool, "approval": body.approval}
    async with deps.audit.act("approval_chosen", principal, data=chosen):
        await deps.store.preferences.set(principal.id, approval_preference(tool), body.approval)
    return {"approval": body.approval}


def _has_choice(catalog: Catalog, name: str) -> bool:
    """Whether an agent has such a tool; of a server's tools only the server is known here."""
    agents = catalog.agents.values()
    return any(
        tool.name == name and tool.trust == "user_configurable" for agent in agents for tool, _ in agent.sourced_tools()
    ) or any(
        name.startswith(f"{server.name}__") and server.trust == "user_configurable"
        for agent in agents
        for server in agent.mcp
    )

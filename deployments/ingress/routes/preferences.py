"""A person's own choices: for tools that leave it to each user, whether a call waits for an approval."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request

from agents.agent import Catalog
from agents.conversation.approval_policy import approval_preference
from deployments.ingress.bodies import ApprovalChoice, body_schema
from deployments.ingress.body_reader import read_body
from deployments.ingress.dependencies import LOCAL_PRINCIPAL, Deps
from deployments.ingress.problems import BODY_PROBLEMS, Problem, openapi_problems

PREFIX = approval_preference("")
"""What the names of these preferences begin with; the tool's name follows."""

router = APIRouter(prefix="/v1/preferences/approvals", tags=["preferences"])
ToolName = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,128}$")]


@router.get("", responses=openapi_problems("store_unavailable"))
async def choices(deps: Deps) -> dict[str, Any]:
    """All choices that were made, by tool."""
    preferences = await deps.store.preferences.all(LOCAL_PRINCIPAL)
    chosen = {name.removeprefix(PREFIX): value for name, value in preferences.items() if name.startswith(PREFIX)}
    return {"approvals": chosen}


@router.get("/{tool}", responses=openapi_problems("invalid_request", "store_unavailable"))
async def choice(tool: ToolName, deps: Deps) -> dict[str, Any]:
    """The choice for one tool; null: none was made, the tool's own default holds."""
    return {"approval": await deps.store.preferences.get(LOCAL_PRINCIPAL, approval_preference(tool))}


@router.put(
    "/{tool}",
    openapi_extra=body_schema(ApprovalChoice),
    responses=openapi_problems(*BODY_PROBLEMS, "store_unavailable"),
)
async def choose(tool: ToolName, request: Request, deps: Deps) -> dict[str, Any]:
    """Choose for one tool, or take the choice back with null."""
    body = await read_body(request, ApprovalChoice, deps.limits)
    if not _has_choice(deps.catalog, tool):
        raise Problem("invalid_request", f"path.tool: no tool {tool!r} leaves its approval to you")
    await deps.store.preferences.set(LOCAL_PRINCIPAL, approval_preference(tool), body.approval)
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

"""A person's own choices: for tools that leave it to each user, whether a call waits for an approval."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request

from agents.agent import Catalog
from agents.conversation.approval_policy import approval_preference
from deployments.ingress.bodies import ApprovalChoice, body_schema, read_body
from deployments.ingress.dependencies import LOCAL_PRINCIPAL, TheService
from deployments.ingress.problems import Problem, documented
from deployments.ingress.routes.conversations import BODY

APPROVALS = approval_preference("")
"""What the names of these preferences begin with; the tool's name follows."""

router = APIRouter(prefix="/v1/preferences/approvals", tags=["preferences"])
ToolName = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,128}$")]


@router.get("", responses=documented("store_unavailable"))
async def choices(service: TheService) -> dict[str, Any]:
    """All choices that were made, by tool."""
    preferences = await service.store.preferences.all(LOCAL_PRINCIPAL)
    chosen = {name.removeprefix(APPROVALS): value for name, value in preferences.items() if name.startswith(APPROVALS)}
    return {"approvals": chosen}


@router.get("/{tool}", responses=documented("invalid_request", "store_unavailable"))
async def choice(tool: ToolName, service: TheService) -> dict[str, Any]:
    """The choice for one tool; null: none was made, the tool's own default holds."""
    return {"approval": await service.store.preferences.get(LOCAL_PRINCIPAL, approval_preference(tool))}


@router.put("/{tool}", openapi_extra=body_schema(ApprovalChoice), responses=documented(*BODY, "store_unavailable"))
async def choose(tool: ToolName, request: Request, service: TheService) -> dict[str, Any]:
    """Choose for one tool, or take the choice back with null."""
    body = await read_body(request, ApprovalChoice)
    if not _leaves_a_choice(service.catalog, tool):
        raise Problem("invalid_request", f"path.tool: no tool {tool!r} leaves its approval to you")
    await service.store.preferences.set(LOCAL_PRINCIPAL, approval_preference(tool), body.approval)
    return {"approval": body.approval}


def _leaves_a_choice(catalog: Catalog, name: str) -> bool:
    """Whether an agent has such a tool; of a server's tools only the server is known here."""
    agents = catalog.agents.values()
    return any(
        tool.name == name and tool.trust == "user_configurable" for agent in agents for tool, _ in agent.sourced_tools()
    ) or any(
        name.startswith(f"{server.name}__") and server.trust == "user_configurable"
        for agent in agents
        for server in agent.mcp
    )

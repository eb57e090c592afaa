"""The turns of a conversation: what happened in one, and whether the model is shown it."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request

from agents.clock import now_ms
from agents.conversation.drop_turn import DropTurn
from agents.turn_reader import read_timeline
from deployments.ingress.dependencies import ConversationId, Deps, agent_context, principal_of
from deployments.ingress.problems import CONVERSATION_PROBLEMS, Problem, openapi_problems
from deployments.ingress.routes.events import ARCHIVE_PROBLEMS
from deployments.ingress.routes.messages import REACH_PROBLEMS
from store.principals import tenant_name_of

router = APIRouter(prefix="/v1/conversations/{conversation_id}/turns", tags=["messages"])

DROP_PROBLEMS = openapi_problems(*REACH_PROBLEMS, "invalid_request", "unknown_turn", "turn_running", "turn_summarised")

TRACE_PROBLEMS = openapi_problems(*CONVERSATION_PROBLEMS, *ARCHIVE_PROBLEMS, "invalid_request", "unknown_turn")

Turn = Annotated[int, Path(ge=1, le=2**53)]
TurnOrLast = Annotated[str, Path(pattern="^(last|[1-9][0-9]{0,14})$")]


@router.get("/{turn}/trace", responses=TRACE_PROBLEMS)
async def trace(conversation_id: ConversationId, turn: TurnOrLast, deps: Deps, request: Request) -> dict[str, Any]:
    """When each part of a turn began and ended, what it took, and who wrote it; `last` is the newest turn.

    It is told from the log, and from the live conversation if it is in that turn. Sub-agents' turns are within the
    calls that they work for.
    """
    meta = await deps.access.get(principal_of(request), conversation_id, "read")
    timeline = await read_timeline(deps.store, meta, None if turn == "last" else int(turn))
    if timeline is None:
        raise Problem("unknown_turn", f"{conversation_id} has no turn {turn}." if turn != "last" else "It has no turn.")
    if not timeline.has_ended and (live := await deps.door.status(conversation_id)) is not None:
        for waits in live.waits_for if live.turn == timeline.turn else ():
            timeline.add_under_way(waits)
    return timeline.body(now_ms())


@router.post("/{turn}/drop", status_code=202, responses=DROP_PROBLEMS)
async def drop(conversation_id: ConversationId, turn: Turn, request: Request, deps: Deps) -> dict[str, Any]:
    """Leave a turn out from the next call of the model on; the log keeps it. To say it twice changes nothing."""
    return await _change(conversation_id, turn, request, deps, restore=False)


@router.delete("/{turn}/drop", status_code=202, responses=DROP_PROBLEMS)
async def restore(conversation_id: ConversationId, turn: Turn, request: Request, deps: Deps) -> dict[str, Any]:
    """Show the model a turn again that was left out, by people or because a provider had refused it."""
    return await _change(conversation_id, turn, request, deps, restore=True)


async def _change(conversation_id: str, turn: int, request: Request, deps: Deps, *, restore: bool) -> dict[str, Any]:
    principal = principal_of(request)
    meta = await deps.access.get(principal, conversation_id, "write")
    wanted = DropTurn(turn=turn, principal=principal.id, restore=restore)
    kind, tenant = "turn_restored" if restore else "turn_dropped", tenant_name_of(meta.principal)
    async with deps.audit.act(kind, principal, tenant=tenant, conversation_id=conversation_id, data={"turn": turn}):
        receipt = await deps.door.drop_turn(conversation_id, wanted, agent_context(request))
    return {"conversation_id": conversation_id, "turn": turn, "dropped": not restore, "seq": receipt.seq}

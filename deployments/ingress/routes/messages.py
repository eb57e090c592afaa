"""What people say to a conversation: messages, answers to its questions, and stop."""

import uuid
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response

from agents.context import AgentContext, in_context
from agents.errors import Refused
from agents.storable import storage_problem
from agents.turn.approvers import describe
from agents.turn.inputs import Resolve, UserMessage
from deployments.access.rights import Part
from deployments.indexes.query import state_of
from deployments.ingress.bodies import NewCancel, NewMessage, NewResolution, body_schema
from deployments.ingress.body_reader import read_message, read_optional_body, read_resolution
from deployments.ingress.dependencies import (
    ClientToolNames,
    ConversationId,
    Dependencies,
    Deps,
    agent_context,
    principal_of,
)
from deployments.ingress.problems import (
    BODY_PROBLEMS,
    CONVERSATION_PROBLEMS,
    LOG_PROBLEMS,
    Problem,
    openapi_problems,
)
from deployments.ingress.streams.sse import EventStreamResponse, accepts_event_stream
from deployments.ingress.streams.watch import open_watcher

router = APIRouter(prefix="/v1/conversations/{conversation_id}", tags=["messages"])

REACH_PROBLEMS = (
    *CONVERSATION_PROBLEMS,
    *LOG_PROBLEMS,
    "control_plane_unavailable",
    "conversation_unreachable",
    "terminating",
    "overloaded",
)
"""Why a conversation may not be reached."""

MESSAGE_PROBLEMS = (
    "empty_message",
    "turn_running",
    "queue_full",
    "too_many_turns",
    "limit_reached",
    "cluster_full",
    "too_many_streams",
    "unknown_model",
    "unreadable_attachment",
    "self_run_limit",
    "budget_exhausted",
    "middleware_failed",
)
"""Why a conversation may not take a message."""


@router.post(
    "/messages",
    status_code=202,
    response_model=None,
    openapi_extra=body_schema(NewMessage),
    responses=openapi_problems(*BODY_PROBLEMS, *REACH_PROBLEMS, *MESSAGE_PROBLEMS),
)
async def send(
    conversation_id: ConversationId,
    request: Request,
    deps: Deps,
    client_tools: ClientToolNames = [],  # noqa: B006 - FastAPI copies it
) -> Response:
    """Accept a message: 202 with its seq once it is durable, or the whole turn as events when asked for."""
    settings, limits = deps.settings, deps.limits
    principal = principal_of(request)
    await deps.access.require(principal, conversation_id, "write")
    if accepts_event_stream(request):
        await deps.access.require(principal, conversation_id, "read")
    await deps.known_limits.require_spending(principal.id)
    with limits.messages.hold():
        body, size = await read_message(request, limits, settings.max_message_bytes, settings.max_attachment_bytes)
        with limits.body_bytes.hold(size), deps.arrivals.taking_in():
            context = agent_context(request)
            message = _user_message(body, context)
            if accepts_event_stream(request):
                return await _stream_turn(conversation_id, message, context, request, client_tools)
            receipt = await deps.door.send(conversation_id, message, context)
    answer = {
        "conversation_id": conversation_id,
        "seq": receipt.seq,
        "turn": receipt.turn,
        "duplicate": receipt.duplicate,
    }
    return Response(orjson.dumps(answer), 202, media_type="application/json")


@router.post(
    "/cancel",
    status_code=202,
    openapi_extra=body_schema(NewCancel, required=False),
    responses=openapi_problems(*BODY_PROBLEMS, *REACH_PROBLEMS, "not_running"),
)
async def cancel(conversation_id: ConversationId, request: Request, deps: Deps) -> dict[str, Any]:
    """End a turn: the one that the body names, or else the one that runs or waits."""
    principal = principal_of(request)
    await deps.access.get(principal, conversation_id, "write")
    body = await read_optional_body(request, NewCancel, deps.limits)
    with in_context(agent_context(request)):
        receipt = await deps.door.cancel(conversation_id, principal.id, body.turn)
    return {"conversation_id": conversation_id, "turn": receipt.turn, "cancelled": True}


@router.post(
    "/resolutions",
    status_code=202,
    openapi_extra=body_schema(NewResolution),
    responses=openapi_problems(
        *BODY_PROBLEMS,
        *REACH_PROBLEMS,
        "stale_resolution",
        "not_an_approver",
        "invalid_decision",
        "arguments_changed",
        "answer_at_parent",
    ),
)
async def resolve(conversation_id: ConversationId, request: Request, deps: Deps) -> dict[str, Any]:
    """Answer a call that waits: acknowledged once durable, carried out afterwards."""
    settings = deps.settings
    principal = principal_of(request)
    meta = await deps.access.get(principal, conversation_id, "decide")
    body = await read_resolution(request, deps.limits, settings.max_message_bytes, settings.max_attachment_bytes)
    if meta.parent is not None:
        where = {"parent": meta.parent, "tool_call_id": meta.parent_call}
        raise Problem("answer_at_parent", "A sub-agent's calls are answered at its parent.", where)
    # Its actor asks that too, but what nests too deep does not get there.
    if (unfit := storage_problem(body.answer) or storage_problem(body.arguments)) is not None:
        raise Problem("invalid_decision", f"The answer cannot be stored: {unfit}.")
    part = await deps.access.part_in(principal, meta)
    if (waiting := state_of(meta)["pending"].get(body.tool_call_id)) is not None and not part.may_decide(waiting):
        raise _not_an_approver(part, describe(waiting.get("approvers", ())))
    resolution = Resolve(**body.model_dump(), principal=principal.id, standing=part.standing)
    try:
        receipt = await deps.door.resolve(conversation_id, resolution, agent_context(request))
    except Refused as refused:
        if refused.code == "not_an_approver" and "read" not in part.rights:
            raise _not_an_approver(part) from refused
        raise
    return {"conversation_id": conversation_id, "tool_call_id": body.tool_call_id, "seq": receipt.seq}


def _not_an_approver(part: Part, awaited: str = "") -> Problem:
    """Whom a call waits for is told to readers of the conversation only."""
    detail = f"This waits for {awaited}." if "read" in part.rights else "This waits for another person."
    return Problem("not_an_approver", detail)


def _user_message(body: NewMessage, context: AgentContext) -> UserMessage:
    return UserMessage(
        content=body.blocks(),
        on_busy=body.on_busy,
        client_id=body.client_id or uuid.uuid4().hex,  # with it the door's own retries are one message
        principal=context.principal,
        model=body.model,
    )


async def _stream_turn(
    conversation_id: str, message: UserMessage, context: AgentContext, request: Request, client_tools: Sequence[str]
) -> Response:
    """Subscribe, then send, then stream: a refusal is still a plain problem, and no event is missed."""
    deps: Dependencies = request.app.state.dependencies
    stack = AsyncExitStack()
    try:
        stack.enter_context(deps.limits.streams.hold())
        await stack.enter_async_context(deps.request_limits.stream(principal_of(request).id))
        opening = open_watcher(deps.store, deps.door, conversation_id, client_tools, deps.arrivals)
        watcher = await stack.enter_async_context(opening)
        receipt = await deps.door.send(conversation_id, message, context)
    except BaseException:
        await stack.aclose()
        raise
    fresh = not (receipt.duplicate or receipt.steered)
    events = watcher.turn_events(receipt.turn, receipt.seq, fresh=fresh)
    ends = deps.open_streams.ends_of(principal_of(request), conversation_id, deps.draining)
    return EventStreamResponse(events, deps.settings.heartbeat_seconds, stack, ends)

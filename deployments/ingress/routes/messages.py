"""What people say to a conversation: messages, answers to its questions, and stop."""

import uuid
from contextlib import AsyncExitStack
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import ORJSONResponse

from agents.context import AgentContext
from agents.turn.inputs import Resolve, UserMessage
from deployments.ingress.bodies import NewCancel, NewMessage, NewResolution, body_schema
from deployments.ingress.body_reader import read_body, read_message, read_optional_body
from deployments.ingress.dependencies import LOCAL_PRINCIPAL, ConversationId, Dependencies, Deps, agent_context
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
async def send(conversation_id: ConversationId, request: Request, deps: Deps) -> Response:
    """Accept a message: 202 with its seq once it is durable, or the whole turn as events when asked for."""
    settings, limits = deps.settings, deps.limits
    with limits.messages.hold():
        body, size = await read_message(request, limits, settings.max_message_bytes, settings.max_attachment_bytes)
        with limits.body_bytes.hold(size):
            message, context = _user_message(body), agent_context(request)
            if accepts_event_stream(request):
                return await _stream_turn(conversation_id, message, context, deps)
            receipt = await deps.door.send(conversation_id, message, context)
    answer = {
        "conversation_id": conversation_id,
        "seq": receipt.seq,
        "turn": receipt.turn,
        "duplicate": receipt.duplicate,
    }
    return ORJSONResponse(answer, 202)


@router.post(
    "/cancel",
    status_code=202,
    openapi_extra=body_schema(NewCancel, required=False),
    responses=openapi_problems(*BODY_PROBLEMS, *REACH_PROBLEMS, "not_running"),
)
async def cancel(conversation_id: ConversationId, request: Request, deps: Deps) -> dict[str, Any]:
    """End a turn: the one that the body names, or else the one that runs or waits."""
    body = await read_optional_body(request, NewCancel, deps.limits)
    await deps.store.registry.get(conversation_id)
    receipt = await deps.door.cancel(conversation_id, LOCAL_PRINCIPAL, body.turn)
    return {"conversation_id": conversation_id, "turn": receipt.turn, "cancelled": True}


@router.post(
    "/resolutions",
    status_code=202,
    openapi_extra=body_schema(NewResolution),
    responses=openapi_problems(
        *BODY_PROBLEMS,
        *REACH_PROBLEMS,
        "stale_resolution",
        "invalid_decision",
        "arguments_changed",
        "answer_at_parent",
    ),
)
async def resolve(conversation_id: ConversationId, request: Request, deps: Deps) -> dict[str, Any]:
    """Answer a call that waits: acknowledged once durable, carried out afterwards."""
    body = await read_body(request, NewResolution, deps.limits, deps.settings.max_message_bytes)
    meta = await deps.store.registry.get(conversation_id)
    if meta.parent is not None:
        where = {"parent": meta.parent, "tool_call_id": meta.parent_call}
        raise Problem("answer_at_parent", "A sub-agent's calls are answered at its parent.", where)
    resolution = Resolve(**body.model_dump(), principal=LOCAL_PRINCIPAL)
    receipt = await deps.door.resolve(conversation_id, resolution, agent_context(request))
    return {"conversation_id": conversation_id, "tool_call_id": body.tool_call_id, "seq": receipt.seq}


def _user_message(body: NewMessage) -> UserMessage:
    return UserMessage(
        content=body.blocks(),
        on_busy=body.on_busy,
        client_id=body.client_id or uuid.uuid4().hex,  # with it the door's own retries are one message
        principal=LOCAL_PRINCIPAL,
        model=body.model,
    )


async def _stream_turn(
    conversation_id: str, message: UserMessage, context: AgentContext, deps: Dependencies
) -> Response:
    """Subscribe, then send, then stream: a refusal is still a plain problem, and no event is missed."""
    stack = AsyncExitStack()
    try:
        stack.enter_context(deps.limits.streams.hold())
        watcher = await stack.enter_async_context(open_watcher(deps.store, deps.door, conversation_id))
        receipt = await deps.door.send(conversation_id, message, context)
    except BaseException:
        await stack.aclose()
        raise
    fresh = not (receipt.duplicate or receipt.steered)
    events = watcher.turn_events(receipt.turn, receipt.seq, fresh=fresh)
    return EventStreamResponse(events, deps.settings.heartbeat_seconds, stack, deps.draining)

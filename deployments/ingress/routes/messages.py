"""What people say to a conversation: messages, answers to its questions, and stop."""

import uuid
from contextlib import AsyncExitStack
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import ORJSONResponse

from agents.context import AgentContext
from agents.conversation import Receipt
from agents.turn.inputs import Resolve, UserMessage
from deployments.ingress.bodies import NewMessage, NewResolution, body_schema, read_body, read_message
from deployments.ingress.dependencies import LOCAL_PRINCIPAL, ConversationId, Service, TheService, context_of
from deployments.ingress.problems import Problem, documented
from deployments.ingress.routes.conversations import BODY, ONE
from deployments.ingress.streams.sse import EventStream
from deployments.ingress.streams.watch import watching

router = APIRouter(prefix="/v1/conversations/{conversation_id}", tags=["messages"])

UNREADABLE = ("unreadable_log", "newer_code")
REACH = (*ONE, *UNREADABLE, "control_plane_unavailable", "conversation_unreachable", "terminating", "overloaded")

TAKING = (
    "empty_message",
    "turn_running",
    "queue_full",
    "too_many_turns",
    "cluster_full",
    "too_many_streams",
    "unknown_model",
    "self_run_limit",
    "budget_exhausted",
    "middleware_failed",
)
"""Why a conversation may not take a message."""


def wants_events(request: Request) -> bool:
    return "text/event-stream" in request.headers.get("accept", "")


@router.post(
    "/messages",
    status_code=202,
    response_model=None,
    openapi_extra=body_schema(NewMessage),
    responses=documented(*BODY, *REACH, *TAKING),
)
async def send(conversation_id: ConversationId, request: Request, service: TheService) -> Response:
    """Accept a message: 202 with its seq once it is durable, or the whole turn as events when asked for."""
    settings, limits = service.settings, service.limits
    with limits.messages.hold():
        body, size = await read_message(request, settings.max_message_bytes, settings.max_attachment_bytes)
        with limits.body_bytes.hold(size):
            return await _send(conversation_id, body, request, service)


async def _send(conversation_id: str, body: NewMessage, request: Request, service: Service) -> Response:
    message = UserMessage(
        content=body.blocks(),
        on_busy=body.on_busy,
        client_id=body.client_id or uuid.uuid4().hex,  # makes the door's own retries one message
        principal=LOCAL_PRINCIPAL,
        model=body.model,
    )
    context = context_of(request)
    if wants_events(request):
        return await _send_and_watch(conversation_id, message, context, service)
    return ORJSONResponse(_shown(conversation_id, await service.door.send(conversation_id, message, context)), 202)


@router.post("/cancel", status_code=202, responses=documented(*REACH, "not_running"))
async def cancel(conversation_id: ConversationId, service: TheService) -> dict[str, Any]:
    """End the turn that runs or waits."""
    await service.store.registry.get(conversation_id)
    await service.door.cancel(conversation_id, LOCAL_PRINCIPAL)
    return {"conversation_id": conversation_id, "cancelled": True}


@router.post(
    "/resolutions",
    status_code=202,
    openapi_extra=body_schema(NewResolution),
    responses=documented(
        *BODY, *REACH, "stale_resolution", "invalid_decision", "arguments_changed", "answer_at_parent"
    ),
)
async def resolve(conversation_id: ConversationId, request: Request, service: TheService) -> dict[str, Any]:
    """Answer a call that waits: acknowledged once durable, carried out afterwards."""
    body = await read_body(request, NewResolution, service.settings.max_message_bytes)
    meta = await service.store.registry.get(conversation_id)
    if meta.parent is not None:
        where = {"parent": meta.parent, "tool_call_id": meta.parent_call}
        raise Problem("answer_at_parent", "A sub-agent's calls are answered at its parent.", where)
    resolution = Resolve(**body.model_dump(), principal=LOCAL_PRINCIPAL)
    receipt = await service.door.resolve(conversation_id, resolution, context_of(request))
    return {"conversation_id": conversation_id, "tool_call_id": body.tool_call_id, "seq": receipt.seq}


async def _send_and_watch(
    conversation_id: str, message: UserMessage, context: AgentContext, service: Service
) -> Response:
    """Subscribe, then send, then stream: a refusal is still a plain problem, and no event is missed."""
    stack = AsyncExitStack()
    try:
        stack.enter_context(service.limits.streams.hold())
        watch = await stack.enter_async_context(watching(service.store, service.door, conversation_id))
        receipt = await service.door.send(conversation_id, message, context)
    except BaseException:
        await stack.aclose()
        raise
    turn = watch.turn(receipt.turn, receipt.seq, fresh=not receipt.duplicate)
    return EventStream(turn, service.settings.heartbeat_seconds, stack, service.draining)


def _shown(conversation_id: str, receipt: Receipt) -> dict[str, Any]:
    return {
        "conversation_id": conversation_id,
        "seq": receipt.seq,
        "turn": receipt.turn,
        "duplicate": receipt.duplicate,
    }

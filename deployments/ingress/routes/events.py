"""The events of a conversation: live as a stream that can be resumed, or page by page in both directions."""

import re
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Header, Query, Request, Response

from agents.codec import VERSION, wire_record
from deployments.access.principal import Principal
from deployments.ingress.dependencies import ClientToolNames, ConversationId, Dependencies, Deps, principal_of
from deployments.ingress.problems import CONVERSATION_PROBLEMS, LOG_PROBLEMS, Problem, openapi_problems
from deployments.ingress.streams.large_response import bounded_response
from deployments.ingress.streams.sse import EventStreamResponse, accepts_event_stream
from deployments.ingress.streams.watch import open_watcher
from deployments.ingress.streams.watcher_state import WireEvent
from deployments.page.markdown import render_answer
from store import ConversationMeta
from store.errors import NewerFormat

MAX_PAGE_BYTES = 4 * 1024**2
"""A page ends with the event that makes it as large as this, however many more were asked for."""

MAX_SEQ = 2**53 - 1
"""What every client can count to; no log comes near it."""
CURSOR = re.compile(r"[0-9]{1,15}")

ARCHIVE_PROBLEMS = ("archive_unavailable", "archive_damaged")

router = APIRouter(prefix="/v1/conversations/{conversation_id}", tags=["events"])


@router.get(
    "/events",
    response_model=None,
    responses=openapi_problems(
        *CONVERSATION_PROBLEMS,
        "invalid_request",
        *LOG_PROBLEMS,
        *ARCHIVE_PROBLEMS,
        "too_many_streams",
        "overloaded",
    ),
)
async def events(
    conversation_id: ConversationId,
    request: Request,
    deps: Deps,
    after: Annotated[int, Query(ge=0, le=MAX_SEQ)] = 0,
    before: Annotated[int | None, Query(ge=1, le=MAX_SEQ)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    render: Literal["html"] | None = None,
    client_tools: ClientToolNames = [],  # noqa: B006 - FastAPI copies it
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    """With `Accept: text/event-stream` a snapshot and then the tail; else one page of the log as JSON."""
    principal = principal_of(request)
    meta = await deps.access.get(principal, conversation_id, "read")
    if meta.format > VERSION:
        raise NewerFormat(conversation_id, meta.format)  # a stream that has begun could not say so
    if accepts_event_stream(request):
        if before is not None:
            raise Problem("invalid_request", "query.before: a stream goes forward only")
        start = _parse_cursor(last_event_id, after)
        await _require_readable(deps, meta, start)
        return await _stream_events(deps, principal, conversation_id, start, render, client_tools)
    log = deps.store.log
    if before is not None:
        records = await log.page_back(conversation_id, before=before, limit=limit, max_bytes=MAX_PAGE_BYTES)
    else:
        records = await log.page(conversation_id, after=after, limit=limit, max_bytes=MAX_PAGE_BYTES)
    found = [await _with_html(wire_record(record, conversation_id), render) for record in records]
    first, last = (records[0].seq, records[-1].seq) if records else (None, None)
    page = {
        "events": found,
        "next": last if last is not None and last < meta.last_seq else None,
        "prev": first if first is not None and first > 1 else None,
    }
    return bounded_response(orjson.dumps(page), deps.limits.response_bytes, "application/json")


def _parse_cursor(last_event_id: str | None, after: int) -> int:
    """Where to resume; a cursor that is no seq is dropped, the snapshot then starts at `after`."""
    return int(last_event_id) if last_event_id and CURSOR.fullmatch(last_event_id) else after


async def _require_readable(deps: Dependencies, meta: ConversationMeta, after: int) -> None:
    """Raise now what keeps a stream from beginning there: once begun, it could only end, and not say why."""
    begins = after if after <= meta.last_seq else 0
    if begins < (meta.archived_seq or 0):
        await deps.store.log.read(meta.id, after=begins, limit=1)


async def _stream_events(
    deps: Dependencies,
    principal: Principal,
    conversation_id: str,
    after: int,
    render: str | None,
    client_tools: Sequence[str],
) -> Response:
    """Subscribe before the answer begins: if the store does not listen, that is a plain problem."""
    stack = AsyncExitStack()
    try:
        stack.enter_context(deps.limits.streams.hold())
        await stack.enter_async_context(deps.request_limits.stream(principal.id))
        opening = open_watcher(deps.store, deps.door, conversation_id, client_tools, deps.arrivals)
        watcher = await stack.enter_async_context(opening)
    except BaseException:
        await stack.aclose()
        raise
    found = _each_with_html(watcher.events(after), render)
    ends = deps.open_streams.ends_of(principal, conversation_id, deps.draining)
    return EventStreamResponse(found, deps.settings.heartbeat_seconds, stack, ends)


async def _each_with_html(events: AsyncIterator[WireEvent], render: str | None) -> AsyncGenerator[WireEvent, None]:
    async for event in events:
        yield await _with_html(event, render)


async def _with_html(event: WireEvent, render: str | None) -> WireEvent:
    """An answer with its text as sanitised HTML beside it, for clients that asked for it."""
    if render is None or event["type"] != "assistant_msg":
        return event
    rendered: dict[str, Any] = {**event, "html": await render_answer(event["content"])}
    return rendered

"""The events of a conversation: live as a stream that can be resumed, or page by page in both directions."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Header, Query, Request, Response

from agents.codec import VERSION, wire_record
from deployments.ingress.dependencies import ConversationId, Service, TheService
from deployments.ingress.problems import Problem, documented
from deployments.ingress.routes.conversations import ONE
from deployments.ingress.routes.messages import UNREADABLE, wants_events
from deployments.ingress.streams.large_response import answered
from deployments.ingress.streams.sse import EventStream
from deployments.ingress.streams.watch import watching
from deployments.ingress.streams.watcher_state import Event
from deployments.page.markdown import render_answer
from store import ConversationMeta
from store.errors import NewerFormat

PAGE_BYTES = 4 * 1024**2
"""A page ends with the event that makes it as large as this, however many more were asked for."""

ARCHIVE = ("archive_unavailable", "archive_damaged")

router = APIRouter(prefix="/v1/conversations/{conversation_id}", tags=["events"])


@router.get(
    "/events",
    response_model=None,
    responses=documented(*ONE, "invalid_request", *UNREADABLE, *ARCHIVE, "too_many_streams", "overloaded"),
)
async def events(
    conversation_id: ConversationId,
    request: Request,
    service: TheService,
    after: Annotated[int, Query(ge=0)] = 0,
    before: Annotated[int | None, Query(ge=1)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    render: Literal["html"] | None = None,
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    """With `Accept: text/event-stream` a snapshot and then the tail; else one page of the log as JSON."""
    meta = await service.store.registry.get(conversation_id)
    if meta.format > VERSION:
        raise NewerFormat(conversation_id, meta.format)  # a stream could not say it any more
    if wants_events(request):
        if before is not None:
            raise Problem("invalid_request", "query.before: a stream goes forward only")
        start = _cursor(last_event_id, after)
        await _reach(service, meta, start)
        return await _watched(service, conversation_id, start, render)
    log = service.store.log
    if before is not None:
        records = await log.page_back(conversation_id, before=before, limit=limit, max_bytes=PAGE_BYTES)
    else:
        records = await log.page(conversation_id, after=after, limit=limit, max_bytes=PAGE_BYTES)
    found = [_rendered(wire_record(record, conversation_id), render) for record in records]
    first, last = (records[0].seq, records[-1].seq) if records else (None, None)
    page = {
        "events": found,
        "next": last if last is not None and last < meta.last_seq else None,
        "prev": first if first is not None and first > 1 else None,
    }
    return answered(orjson.dumps(page), service.limits.answer_bytes, "application/json")


def _cursor(last_event_id: str | None, after: int) -> int:
    """Where to resume; a cursor that is no number is dropped, the snapshot then starts at `after`."""
    return int(last_event_id) if last_event_id and last_event_id.isdecimal() else after


async def _reach(service: Service, meta: ConversationMeta, after: int) -> None:
    """See to it that a stream can begin there, since it could not say any more why not: it would just end."""
    begins = after if after <= meta.last_seq else 0
    if begins < (meta.archived_seq or 0):
        await service.store.log.read(meta.id, after=begins, limit=1)


async def _watched(service: Service, conversation_id: str, after: int, render: str | None) -> Response:
    """Subscribe before the answer begins: if the store does not listen, that is a plain problem."""
    stack = AsyncExitStack()
    try:
        stack.enter_context(service.limits.streams.hold())
        watch = await stack.enter_async_context(watching(service.store, service.door, conversation_id))
    except BaseException:
        await stack.aclose()
        raise
    shown = _each_rendered(watch.events(after), render)
    return EventStream(shown, service.settings.heartbeat_seconds, stack, service.draining)


async def _each_rendered(events: AsyncIterator[Event], render: str | None) -> AsyncGenerator[Event, None]:
    async for event in events:
        yield _rendered(event, render)


def _rendered(event: Event, render: str | None) -> Event:
    """An answer with its text as sanitised HTML beside it, for watchers that asked for it."""
    if render is None or event["type"] != "assistant_msg":
        return event
    shown: dict[str, Any] = {**event, "html": render_answer(event["content"])}
    return shown

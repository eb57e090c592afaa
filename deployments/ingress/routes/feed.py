"""The feed of the person who asks: what happens in the conversations that it may read, live, to be resumed."""

from contextlib import AsyncExitStack
from typing import Annotated

import orjson
from fastapi import APIRouter, Header, Query, Request, Response

from deployments.access.conversations import require_scope
from deployments.access.principal import Principal
from deployments.ingress.dependencies import Dependencies, Deps, principal_of
from deployments.ingress.problems import openapi_problems
from deployments.ingress.streams.sse import EventStreamResponse, accepts_event_stream

router = APIRouter(prefix="/v1/feed", tags=["feed"])


@router.get(
    "",
    response_model=None,
    responses=openapi_problems("invalid_request", "not_allowed", "too_many_streams", "store_unavailable"),
)
async def feed(
    request: Request,
    deps: Deps,
    after: Annotated[str | None, Query(max_length=32)] = None,
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    """With `Accept: text/event-stream` what happens, as it happens; else what happened after `after`, as JSON.

    After a `reset` event, look your lists up again: something may be missing before it.
    """
    principal = principal_of(request)
    require_scope(principal, "read")
    if accepts_event_stream(request):
        return await _stream(deps, principal, last_event_id or after)
    events, following = await deps.personal_feeds.feed_of(principal).page(after)
    return Response(orjson.dumps({"events": events, "next": following}), media_type="application/json")


async def _stream(deps: Dependencies, principal: Principal, cursor: str | None) -> Response:
    """Listen before the answer begins: if the store is away, that is a plain problem."""
    stack = AsyncExitStack()
    try:
        stack.enter_context(deps.limits.streams.hold())
        await stack.enter_async_context(deps.request_limits.stream(principal.id))
        stack.enter_context(deps.personal_feeds.hold(principal))
        tail = await stack.enter_async_context(deps.store.personal_feeds.listen(principal.id))
    except BaseException:
        await stack.aclose()
        raise
    events = deps.personal_feeds.feed_of(principal).events(cursor, tail)
    ends = deps.open_streams.ends_of(principal, None, deps.draining)
    return EventStreamResponse(events, deps.settings.heartbeat_seconds, stack, ends)

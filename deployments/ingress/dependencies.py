"""What every route works with, and how a route gets at it."""

import re
import uuid
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Path, Request

from agents.agent import Catalog
from agents.context import AgentContext
from deployments.ingress.bodies import CONVERSATION_ID
from deployments.ingress.limits import ReplicaLimits
from deployments.ingress.problems import Problem
from deployments.ingress.streams.draining import Draining
from deployments.routing.door import Door
from deployments.settings import Settings
from store import Store

LOCAL_PRINCIPAL = "local"
"""Who everybody is while the service listens to this machine alone."""

TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")
"""The W3C's header for a trace: version, trace id, parent id, flags."""

_ID = re.compile(CONVERSATION_ID)


@dataclass(frozen=True, slots=True)
class Service:
    settings: Settings
    catalog: Catalog
    store: Store
    door: Door
    limits: ReplicaLimits
    draining: Draining


def context_of(request: Request) -> AgentContext:
    """What goes along with the work that a request asks for; the caller's trace, or one that begins here."""
    trace = TRACEPARENT.fullmatch(request.headers.get("traceparent", ""))
    return AgentContext(principal=LOCAL_PRINCIPAL, trace_id=trace[1] if trace else uuid.uuid4().hex)


# Both are coroutines, though they wait for nothing: FastAPI runs plain functions in a thread, for more than they cost.
async def service_of(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


async def valid_id(conversation_id: Annotated[str, Path()]) -> str:
    return checked_id(conversation_id)


def checked_id(conversation_id: str) -> str:
    """The id itself if it is one; raises `Problem`."""
    if not _ID.fullmatch(conversation_id):
        raise Problem("invalid_conversation_id", "An id has 1 to 128 letters, digits or ._~- and starts with no sign.")
    return conversation_id


TheService = Annotated[Service, Depends(service_of)]
ConversationId = Annotated[str, Depends(valid_id)]

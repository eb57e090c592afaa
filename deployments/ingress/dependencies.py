"""What every route works with, and how a route gets at it."""

import re
import uuid
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Path, Request

from agents.agent import Catalog
from agents.context import AgentContext
from deployments.ingress.limits import ReplicaLimits
from deployments.ingress.problems import Problem
from deployments.ingress.streams.draining import Draining
from deployments.routing.door import Door
from deployments.settings import Settings
from store import Store

LOCAL_PRINCIPAL = "local"
"""The principal of every request: there are no accounts while the service listens to this machine alone."""

CONVERSATION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,127}")
TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")
"""The W3C header for a trace: version, trace id, parent id, flags."""


@dataclass(frozen=True, slots=True)
class Dependencies:
    """One of each per replica; they are at `app.state.dependencies`."""

    settings: Settings
    catalog: Catalog
    store: Store
    door: Door
    limits: ReplicaLimits
    draining: Draining


def agent_context(request: Request) -> AgentContext:
    """What goes along with the work that a request asks for; the trace is the caller's, or begins here."""
    trace = TRACEPARENT.fullmatch(request.headers.get("traceparent", ""))
    return AgentContext(principal=LOCAL_PRINCIPAL, trace_id=trace[1] if trace else uuid.uuid4().hex)


def validate_conversation_id(conversation_id: str) -> str:
    """The id itself; raises `Problem` if it is not valid."""
    if not CONVERSATION_ID.fullmatch(conversation_id):
        raise Problem("invalid_conversation_id", "An id has 1 to 128 letters, digits or ._~- and starts with no sign.")
    return conversation_id


# Both are coroutines, though they wait for nothing: FastAPI runs plain functions in a thread, which costs more.
async def get_dependencies(request: Request) -> Dependencies:
    dependencies: Dependencies = request.app.state.dependencies
    return dependencies


async def get_conversation_id(conversation_id: Annotated[str, Path()]) -> str:
    return validate_conversation_id(conversation_id)


Deps = Annotated[Dependencies, Depends(get_dependencies)]
ConversationId = Annotated[str, Depends(get_conversation_id)]

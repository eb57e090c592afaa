"""What every route works with, and how a route gets at it."""

import re
import uuid
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Path, Query, Request
from pydantic import StringConstraints
from structlog.contextvars import bind_contextvars

from agents.agent import Catalog
from agents.arrivals import Arrivals
from agents.context import AgentContext
from agents.tracing import trace_id_of
from deployments.access.auditing import Auditor
from deployments.access.authenticator import Authenticator
from deployments.access.conversations import ConversationAccess
from deployments.access.gateway import GatewayContext
from deployments.access.known_limits import KnownLimits
from deployments.access.principal import Principal
from deployments.access.refusals import RefusalCounts
from deployments.access.request_limits import RequestLimits
from deployments.background.host_supply import HostSupply
from deployments.batches.client import RUN_BATCH, BatchClient
from deployments.ingress.limits import ReplicaLimits
from deployments.ingress.problems import Problem
from deployments.ingress.request_spans import traceparent_of
from deployments.ingress.streams.draining import Draining
from deployments.ingress.streams.open_streams import OpenStreams
from deployments.ingress.streams.personal_feed import PersonalFeedStreams
from deployments.metrics.recorder import Recorder
from deployments.overview.overview import Overview
from deployments.routing.door import Door
from deployments.schedules.client import ScheduleClient
from deployments.settings import Settings
from deployments.work.client import JobClient
from deployments.work.queues import Queues
from store import Store

CONVERSATION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,127}")


@dataclass(frozen=True, slots=True)
class Dependencies:
    """One of each per replica; they are at `app.state.dependencies`."""

    settings: Settings
    catalog: Catalog
    store: Store
    door: Door
    limits: ReplicaLimits
    draining: Draining
    host_supply: HostSupply
    recorder: Recorder = field(default_factory=Recorder)
    arrivals: Arrivals = field(default_factory=Arrivals)
    queues: Queues = field(init=False)
    jobs: JobClient = field(init=False)
    batches: BatchClient = field(init=False)
    schedules: ScheduleClient = field(init=False)
    authenticator: Authenticator = field(init=False)
    access: ConversationAccess = field(init=False)
    known_limits: KnownLimits = field(init=False)
    request_limits: RequestLimits = field(init=False)
    open_streams: OpenStreams = field(init=False)
    personal_feeds: PersonalFeedStreams = field(init=False)
    overview: Overview = field(init=False)
    audit: Auditor = field(init=False)
    refusals: RefusalCounts = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "queues", Queues(self.settings))
        object.__setattr__(self, "jobs", JobClient(self.store, self.queues))
        object.__setattr__(self, "batches", BatchClient(self.settings, self.store, self.catalog, self.jobs))
        self.jobs.add_resource(RUN_BATCH, self.batches)
        object.__setattr__(self, "schedules", ScheduleClient(self.store))
        object.__setattr__(self, "authenticator", Authenticator(self.settings, self.store))
        object.__setattr__(self, "access", ConversationAccess(self.store))
        object.__setattr__(self, "known_limits", self.door.known_limits)
        object.__setattr__(self, "request_limits", RequestLimits(self.known_limits, self.store))
        object.__setattr__(self, "open_streams", OpenStreams(self.authenticator, self.access))
        object.__setattr__(self, "personal_feeds", PersonalFeedStreams(self.store, self.access))
        object.__setattr__(self, "overview", Overview(self.door))
        object.__setattr__(self, "audit", Auditor(self.store.audit))
        object.__setattr__(self, "refusals", RefusalCounts())


def principal_of(request: Request) -> Principal:
    """Who acts; deployments/ingress/authentication.py has put it there."""
    principal: Principal = request.scope["user"]
    return principal


def agent_context(request: Request) -> AgentContext:
    """What goes along with the work that a request asks for; the trace is the caller's, or begins here."""
    traceparent = traceparent_of(request.scope)
    trace_id = uuid.uuid4().hex if traceparent is None else trace_id_of(traceparent)
    bind_contextvars(trace_id=trace_id)
    principal = principal_of(request)
    gateway: GatewayContext | None = request.scope.get("gateway_context")
    return AgentContext(
        tenant=(gateway and gateway.tenant) or principal.tenant,
        principal=principal.id,
        trace_id=trace_id,
        values=principal.values if gateway is None else {**principal.values, **gateway.values},
        traceparent=traceparent,
    )


def validate_conversation_id(conversation_id: str) -> str:
    """The id itself; raises `Problem` if it is not valid."""
    if not CONVERSATION_ID.fullmatch(conversation_id):
        raise Problem("invalid_conversation_id", "An id has 1 to 128 letters, digits or ._~- and starts with no sign.")
    return conversation_id


# Both are coroutines, though they wait for nothing: FastAPI runs plain functions in a thread, which costs more.
async def get_dependencies(request: Request) -> Dependencies:
    dependencies: Dependencies = request.app.state.dependencies
    return dependencies


async def get_conversation_id(
    conversation_id: Annotated[str, Path(json_schema_extra={"pattern": f"^{CONVERSATION_ID.pattern}$"})],
) -> str:
    bind_contextvars(conversation_id=validate_conversation_id(conversation_id))
    return conversation_id


Deps = Annotated[Dependencies, Depends(get_dependencies)]
ConversationId = Annotated[str, Depends(get_conversation_id)]
ClientToolNames = Annotated[
    list[Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]],
    Query(max_length=32, description="The client tools that the reader of this stream can run."),
]

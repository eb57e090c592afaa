"""In which actors a conversation may be started, by its requested placement and the room there is; and how."""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Any, NamedTuple

import ray
import structlog
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from agents.agent import Catalog
from agents.conversation.crash_loops import must_be_alone
from deployments.routing.code_version import OwnCodeVersion
from deployments.routing.control_plane import Actor, ControlPlane
from deployments.routing.errors import ControlPlaneUnavailable
from deployments.routing.placement import (
    HostSlot,
    actor_name,
    answering_slots,
    host_slots,
    load_of_node,
    loads_with_full,
    rank_slots,
)
from deployments.routing.shared_question import SharedQuestion
from deployments.settings import Settings
from store import ConversationMeta, Placement, Store

log = structlog.get_logger(__name__)

RACE_PAUSES = (0.05, 0.2, 1.0)
"""Seconds before each further look for an actor that dies while it is looked up."""
FULL_SHARE = 0.7
"""A node gets another host before those there have all the conversations they should have: its start takes time."""
MAX_CALLS = 100_000
"""How many calls an actor takes at once: it never waits, so they are answered fast."""


class ActorSpec(NamedTuple):
    """How an actor is started: its name, the node if it matters, and the resources if it has any of its own.

    One that `answers` runs already, if it has not just died: it need not be started.
    """

    name: str
    node: str | None
    resources: Mapping[str, Any] = MappingProxyType({})
    answers: bool = False

    @property
    def strategy(self) -> NodeAffinitySchedulingStrategy | str:
        """On that node or not at all: otherwise Ray takes the head when it has not heard of the node yet."""
        if self.resources:
            return "SPREAD"
        return NodeAffinitySchedulingStrategy(self.node, soft=False) if self.node else "DEFAULT"


class HostSlots(NamedTuple):
    """The shared hosts that answer and should be there; further ones that answer; and hosts that should be there."""

    answering: list[HostSlot]
    surplus: list[HostSlot]
    lacking: list[HostSlot]


class Launcher:
    """The part of the door that starts actors; `host_class` is their class.

    Raises `ControlPlaneUnavailable` when the control plane does not answer.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        agents: Catalog,
        control_plane: ControlPlane,
        host_class: type,
        code_version: OwnCodeVersion,
    ) -> None:
        self._namespace = settings.namespace
        self._placement = settings.placement
        self._target = math.ceil(FULL_SHARE * settings.target_conversations)
        self._max_on_node = settings.node_conversations
        self._store = store
        self._agents = agents
        self.control_plane = control_plane
        self._host_class: Any = ray.remote(host_class)  # once: every call of it exports the class anew
        self._code_version = code_version
        self._slots_now = SharedQuestion(self.host_slots)

    async def candidates(self, meta: ConversationMeta, full: Sequence[str]) -> AsyncIterator[ActorSpec]:
        """The actors in which the conversation may live, best first; a host that has to be started comes last.

        An actor of its own, whose node is decided when it is started, is the only one. One whose turn may have ended a
        shared host gets one, too: without what its agent asks of Ray, which it did not have there either.
        """
        if self._requested(meta) == "dedicated":
            yield ActorSpec(actor_name(meta.id), None, self.resources(meta))
            return
        if must_be_alone(meta):
            log.warning("set_apart", conversation_id=meta.id, lost=meta.lost.count)
            yield ActorSpec(actor_name(meta.id), None)
            return
        slots = await (self.host_slots(full) if full else self._slots_now.get())
        for slot in (*rank_slots(meta.id, slots.answering), *rank_slots(meta.id, slots.surplus)):
            yield ActorSpec(slot.name, slot.node, answers=True)
        for slot in rank_slots(meta.id, slots.lacking):
            yield ActorSpec(slot.name, slot.node)

    async def host_slots(self, full: Sequence[str] = ()) -> HostSlots:
        """The shared hosts of this code version.

        A host that uses most of a core counts as if it had all the conversations it should have. So does a host in
        `full`: it has just refused a conversation, and may not have reported its load yet.
        """
        reports, version = await self._store.hosts.reports(), await self._code_version.get()
        loads = loads_with_full(reports.loads, {*reports.busy, *full}, self._target)
        nodes = await self.control_plane.nodes()
        limit = self._max_on_node
        closed = [node.id for node in nodes if limit is not None and load_of_node(node, reports.loads) >= limit]
        wanted = host_slots(nodes, loads, self._target, version.number, reports.silent, closed)
        answering = answering_slots(nodes, reports.loads, version.number)
        return HostSlots(
            [slot for slot in wanted if slot in answering],
            [slot for slot in answering if slot not in wanted],
            [slot for slot in wanted if slot not in answering],
        )

    def may_move(self, meta: ConversationMeta) -> bool:
        """Whether the conversation may get an actor of its own once it goes on; a sub-agent's stays in its host."""
        return meta.parent is None and self._requested(meta) == "auto"

    def resources(self, meta: ConversationMeta) -> Mapping[str, Any]:
        """What its agent asks of Ray for an actor of its own."""
        return self._agents.get(meta.agent).ray or {}

    def belongs_in_host(self, meta: ConversationMeta) -> bool:
        """Whether the conversation begins in a shared host, if nothing speaks against it."""
        return self._requested(meta) != "dedicated"

    def _requested(self, meta: ConversationMeta) -> Placement:
        """The placement that its creator, or its agent, or else the deployment has chosen."""
        requested = meta.placement or self._agents.get(meta.agent).placement
        return self._placement if requested == "auto" else requested

    async def start(self, spec: ActorSpec) -> Actor:
        """`get_if_exists` makes this atomic: of two doors that race, both get the one actor."""
        version = await self._code_version.get()

        def create() -> Actor:
            fixed = {
                "name": spec.name,
                "namespace": self._namespace,
                "lifetime": "detached",
                "get_if_exists": True,
                "max_restarts": 0,
                "max_concurrency": MAX_CALLS,
                "enable_task_events": False,  # a record of each call for Ray's dashboard, which nothing reads
                "scheduling_strategy": spec.strategy,
            }
            return self._host_class.options(**{"num_cpus": 0, **spec.resources}, **fixed).remote(spec.name, version)

        return await repeat_lost_races(spec.name, lambda: self.control_plane.ask(spec.name, create))


async def repeat_lost_races(name: str, start: Callable[[], Awaitable[Actor]]) -> Actor:
    """Start an actor, or get the one of that name; again, if that one dies while Ray looks it up.

    Ray finds no actor, then cannot create one, since another door just has, then finds none again: `ValueError`. Raises
    `ControlPlaneUnavailable` when that goes on.
    """
    for pause in RACE_PAUSES:
        with suppress(ValueError):
            return await start()
        await asyncio.sleep(pause)
    try:
        return await start()
    except ValueError as error:
        raise ControlPlaneUnavailable(name) from error

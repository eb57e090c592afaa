"""Where a conversation may be started, by its wish and by what is free, and how an actor is."""

from collections.abc import AsyncIterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from agents.agent import Catalog
from deployments.routing.code_version import OwnCodeVersion
from deployments.routing.control_plane import Actor, ControlPlane
from deployments.routing.placement import actor_name, decide, host_slots, in_order, on_node, with_full
from deployments.settings import Settings
from store import ConversationMeta, Placement, Store

CALLS_AT_ONCE = 100_000
"""How many calls an actor takes at once: it never waits, so they are answered fast."""


class ActorSpec(NamedTuple):
    """How an actor is started: its name, the node if it matters, and the resources if it has any of its own."""

    name: str
    node: str | None
    resources: Mapping[str, Any] = MappingProxyType({})

    @property
    def strategy(self) -> NodeAffinitySchedulingStrategy | str:
        """On that node or not at all: otherwise Ray takes the head when it has not heard of the node yet."""
        if self.resources:
            return "SPREAD"
        return NodeAffinitySchedulingStrategy(self.node, soft=False) if self.node else "DEFAULT"


class Launcher:
    """The part of the door that needs no conversation to live yet; `host_class` is what is started.

    Raises `ControlPlaneUnavailable` when nobody can tell.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        agents: Catalog,
        cluster: ControlPlane,
        host_class: type,
        release: OwnCodeVersion,
    ) -> None:
        self._namespace = settings.namespace
        self._placement = settings.placement
        self._comfortable = settings.target_conversations
        self._most_on_node = settings.node_conversations
        self._store = store
        self._agents = agents
        self._control_plane = cluster
        self._host_class: Any = ray.remote(host_class)  # once: every call of it exports the class anew
        self._release = release

    async def places(self, meta: ConversationMeta, full: Sequence[str]) -> AsyncIterator[ActorSpec]:
        """Where the conversation may be started, best first.

        A host that has work for a whole core is as full as a comfortable one can be, and so are those that have just
        said that they are `full`, and may not have reported it yet.
        """
        wish = self._wish(meta)
        room = await self._control_plane.room_for_dedicated() if wish == "auto" else (0, 0)
        if decide(wish, *room) == "dedicated":
            resources = self._agents.get(meta.agent).ray or {}
            yield ActorSpec(actor_name(meta.id), await self._control_plane.node_for_dedicated(meta.id), resources)
        if wish == "dedicated":
            return
        reports, release = await self._store.hosts.reports(), await self._release.get()
        loads = with_full(reports.loads, {*reports.busy, *full}, self._comfortable)
        nodes = await self._control_plane.nodes()
        most = self._most_on_node
        closed = [node.id for node in nodes if most is not None and on_node(node, reports.loads) >= most]
        among = host_slots(nodes, loads, self._comfortable, release.number, reports.silent, closed)
        for slot in in_order(meta.id, among):
            yield ActorSpec(slot.name, slot.node)

    def _wish(self, meta: ConversationMeta) -> Placement:
        """The conversation's own, or its agent's, or the deployment's."""
        wish = meta.placement or self._agents.get(meta.agent).placement
        return self._placement if wish == "auto" else wish

    async def start(self, start: ActorSpec) -> Actor:
        """`get_if_exists` makes this atomic: of two that race, both get the one actor."""
        release = await self._release.get()

        def create() -> Actor:
            fixed = {
                "name": start.name,
                "namespace": self._namespace,
                "lifetime": "detached",
                "get_if_exists": True,
                "max_restarts": 0,
                "max_concurrency": CALLS_AT_ONCE,
                "enable_task_events": False,  # a record of each call, for Ray's dashboard: nobody needs it
                "scheduling_strategy": start.strategy,
            }
            return self._host_class.options(**{"num_cpus": 0, **start.resources}, **fixed).remote(start.name, release)

        return await self._control_plane.ask(start.name, create)

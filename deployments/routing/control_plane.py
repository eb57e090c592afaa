"""What the control plane knows of the cluster: its nodes, and the actors that live."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import ray
from ray.exceptions import RayActorError, RayError

from deployments.ray_internals import gcs
from deployments.routing.errors import ControlPlaneUnavailable
from deployments.routing.placement import Node, choose_node, is_dedicated
from deployments.routing.shared_question import SharedQuestion

T = TypeVar("T")
Actor = Any
"""A handle of a `HostActor`; Ray types its methods as never returning."""

CONTROL_PLANE_SECONDS = 5.0
NODES_SECONDS = 2.0
"""The list of nodes is read again when it is older."""
AVOIDED_SECONDS = 30.0
"""How long a node is passed by after an actor could not start there."""
MAX_QUESTIONS = 8
"""How many questions are put to the control plane at once."""
MAX_DEDICATED_BYTES = 150 * 1024**2
"""The memory that a dedicated actor takes at most."""

HEAD_RESOURCE = "node:__internal_head__"
"""A resource that the head of a cluster has, and no other node."""
MAX_DEDICATED_PER_CORE = 28
"""Each takes 0.7 % of a core while it rests: together a fifth of the node's processor at most."""


class NodeEntry(NamedTuple):
    """A node that lives, as operators see it; `actors` are all that live on it, those of other applications as well."""

    id: str
    address: str
    is_head: bool
    is_draining: bool
    cores: float
    actors: int


def cluster_name() -> str:
    """The name of this cluster, which no other one has: neither beside it, nor before it on the same machine."""
    name: str = ray.get_runtime_context().get_session_name()
    return name


class ControlPlane:
    """Raises `ControlPlaneUnavailable` when there is no answer: that is never taken for a no."""

    def __init__(self, namespace: str, dedicated_per_node: int | None) -> None:
        self._namespace = namespace
        self._dedicated_per_node = dedicated_per_node
        self._nodes_question = SharedQuestion(self._read_nodes)
        self._nodes: list[Node] = []
        self._nodes_until = 0.0
        self._avoided: dict[str, float] = {}
        self._draining: frozenset[str] = frozenset()
        self._dedicated = Counter[str]()
        self._dedicated_until = 0.0
        # Threads of its own: while the control plane is away, they are all stuck in their questions.
        self._threads = ThreadPoolExecutor(MAX_QUESTIONS, thread_name_prefix="control-plane")

    async def ask(self, about: str, question: Callable[[], T]) -> T:
        """Put a blocking question to the control plane; `about` is for the error."""
        try:
            answer = asyncio.get_running_loop().run_in_executor(self._threads, question)
            return await asyncio.wait_for(answer, CONTROL_PLANE_SECONDS)
        except RayActorError:
            raise
        except (TimeoutError, RayError, ConnectionError, RuntimeError) as error:
            raise ControlPlaneUnavailable(about) from error

    async def find(self, name: str) -> Actor | None:
        """The actor of that name, if it lives."""

        def look() -> Actor | None:
            try:
                found: Actor = ray.get_actor(name, namespace=self._namespace)
            except ValueError:
                return None
            return found

        return await self.ask(name, look)

    async def live_actors(self) -> frozenset[str]:
        """The names of all our actors that live, in one question."""

        def names() -> frozenset[str]:
            everywhere: list[dict[str, str]] = ray.util.list_named_actors(all_namespaces=True)
            return frozenset(found["name"] for found in everywhere if found["namespace"] == self._namespace)

        return await self.ask("the cluster", names)

    async def nodes(self) -> list[Node]:
        """The nodes that live and stay.

        Nodes without cores are left out, then the nodes that are avoided for now; unless no node would be left.
        """
        if time.monotonic() > self._nodes_until:
            await self._nodes_question.get()
        now = time.monotonic()
        return [node for node in self._nodes if self._avoided.get(node.id, 0.0) < now] or self._nodes

    async def _read_nodes(self) -> None:
        found: list[dict[str, Any]] = await self.ask("the cluster", ray.nodes)
        self._draining = await self.ask("the cluster", lambda: gcs.draining_nodes(CONTROL_PLANE_SECONDS))
        alive = [node for node in found if node["Alive"] and node["NodeID"] not in self._draining]
        self._nodes = list(map(self._node, filter(_has_cores, alive) if any(map(_has_cores, alive)) else alive))
        self._nodes_until = time.monotonic() + NODES_SECONDS

    def avoid(self, node: str) -> None:
        """Pass the node by for now: an actor could not start there, since its code or its libraries are different."""
        self._avoided[node] = time.monotonic() + AVOIDED_SECONDS

    async def draining_nodes(self) -> frozenset[str]:
        """The ids of the nodes that are about to go: preempted, scaled down, or drained by an operator.

        As fresh as the list of nodes.
        """
        await self.nodes()
        return self._draining

    async def node_entries(self) -> list[NodeEntry]:
        """All nodes that live, also the ones without cores and the ones that are about to go."""
        nodes, draining, actors = await asyncio.gather(
            self.ask("the cluster", ray.nodes),
            self.ask("the cluster", lambda: gcs.draining_nodes(CONTROL_PLANE_SECONDS)),
            self.ask("the cluster", gcs.live_actors),
        )
        counts = Counter(actor.node for actor in actors)
        return [
            NodeEntry(
                id=node["NodeID"],
                address=node["NodeManagerAddress"],
                is_head=HEAD_RESOURCE in node["Resources"],
                is_draining=node["NodeID"] in draining,
                cores=node["Resources"].get("CPU", 0.0),
                actors=counts[node["NodeID"]],
            )
            for node in nodes
            if node["Alive"]
        ]

    async def live_actors_on(self, nodes: Collection[str]) -> list[str]:
        """The names of our actors that live on the nodes with these ids."""

        def names() -> set[str]:
            return {actor.name for actor in gcs.live_actors() if actor.node in nodes}

        return sorted(await self.live_actors() & await self.ask("the cluster", names))

    async def places(self) -> dict[str, str]:
        """Our actors that live, by their names, and the ids of the nodes on which they are."""
        ours = await self.live_actors()
        found = await self.ask("the cluster", gcs.live_actors)
        return {actor.name: actor.node for actor in found if actor.name in ours}

    async def node_with_room(self, conversation_id: str) -> Node | None:
        """A node whose budget has room for the conversation's own actor; None if there is none."""
        dedicated = await self.count_dedicated()
        node = choose_node(conversation_id, await self.nodes(), dedicated)  # one with room, if there is any
        return node if node is not None and dedicated[node.id] < node.budget else None

    async def node_for_dedicated(self, name: str) -> str | None:
        """The id of the node on which the dedicated actor of that name should start; it counts there from now on."""
        nodes = await self.nodes()
        node = choose_node(name, nodes, await self.count_dedicated() if len(nodes) > 1 else {})
        if node is None:
            return None
        self._dedicated[node.id] += 1
        return node.id

    async def count_dedicated(self) -> Counter[str]:
        """How many dedicated actors of ours live on each node, by its id; as fresh as the list of nodes."""
        if time.monotonic() > self._dedicated_until:
            ours = frozenset(filter(is_dedicated, await self.live_actors()))
            self._dedicated = await self.ask("the cluster", lambda: _count_by_node(ours))
            self._dedicated_until = time.monotonic() + NODES_SECONDS
        return self._dedicated

    def _node(self, node: dict[str, Any]) -> Node:
        resources = node["Resources"]
        cores = max(1, int(resources.get("CPU", 1)))
        budget = self._dedicated_per_node
        if budget is None:
            of_memory = int(resources.get("memory", 0) / 2 // MAX_DEDICATED_BYTES)
            budget = min(of_memory, cores * MAX_DEDICATED_PER_CORE)
        raylet = f"{node['NodeManagerAddress']}:{node['NodeManagerPort']}"
        return Node(node["NodeID"], cores, budget, raylet)


def _count_by_node(names: Collection[str]) -> Counter[str]:
    """How many of the actors with these names live on each node. The table of actors has those of other namespaces."""
    return Counter(actor.node for actor in gcs.live_actors() if actor.name in names)


def _has_cores(node: dict[str, Any]) -> bool:
    return bool(node["Resources"].get("CPU", 0) >= 1)

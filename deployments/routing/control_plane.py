"""What the control plane knows of the cluster: its nodes, and the actors that live."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import ray
from ray.exceptions import RayActorError, RayError

from deployments.ray_internals import gcs
from deployments.routing.errors import ControlPlaneUnavailable
from deployments.routing.placement import Node, is_dedicated, roomiest

Answer = TypeVar("Answer")
Actor = Any
"""A handle of a `HostActor`; Ray types its methods as never returning."""

CONTROL_PLANE_SECONDS = 5.0
NODES_SECONDS = 2.0
"""How old what is known of the nodes may be."""
AVOIDED_SECONDS = 30.0
"""How long a node is passed by after an actor could not begin there."""
QUESTIONS_AT_ONCE = 8
DEDICATED_BYTES = 150 * 1024**2
"""What a conversation of its own takes at most, in a node's memory."""


def cluster_name() -> str:
    """What tells this cluster from any other, earlier ones on the same machine included."""
    name: str = ray.get_runtime_context().get_session_name()
    return name


class ControlPlane:
    """Raises `ControlPlaneUnavailable` when nobody can tell: that is never taken for a no."""

    def __init__(self, namespace: str, dedicated_per_node: int | None) -> None:
        self._namespace = namespace
        self._dedicated_per_node = dedicated_per_node
        self._nodes: list[Node] = []
        self._nodes_until = 0.0
        self._avoided: dict[str, float] = {}
        self._dedicated = Counter[str]()
        self._dedicated_until = 0.0
        # Of its own: while the control plane is away they hang in their questions, and nobody else may wait for them.
        self._threads = ThreadPoolExecutor(QUESTIONS_AT_ONCE, thread_name_prefix="control-plane")

    async def ask(self, about: str, question: Callable[[], Answer]) -> Answer:
        """Put a blocking question to the control plane; `about` is for the error."""
        try:
            answer = asyncio.get_running_loop().run_in_executor(self._threads, question)
            return await asyncio.wait_for(answer, CONTROL_PLANE_SECONDS)
        except RayActorError:
            raise
        except (TimeoutError, RayError, ConnectionError, RuntimeError) as error:
            raise ControlPlaneUnavailable(about) from error

    async def find(self, name: str) -> Actor | None:
        """The living actor of that name."""

        def look() -> Actor | None:
            try:
                found: Actor = ray.get_actor(name, namespace=self._namespace)
            except ValueError:
                return None
            return found

        return await self.ask(name, look)

    async def living(self) -> frozenset[str]:
        """The names of all actors that live, in one question."""

        def names() -> frozenset[str]:
            everywhere: list[dict[str, str]] = ray.util.list_named_actors(all_namespaces=True)
            return frozenset(found["name"] for found in everywhere if found["namespace"] == self._namespace)

        return await self.ask("the cluster", names)

    async def nodes(self) -> list[Node]:
        """The nodes that live and stay.

        Those that have no cores to give are left out, and then those to be avoided, unless there are no others.
        """
        if time.monotonic() > self._nodes_until:
            found: list[dict[str, Any]] = await self.ask("the cluster", ray.nodes)
            going = await self.draining()
            alive = [node for node in found if node["Alive"] and node["NodeID"] not in going]
            self._nodes = list(map(self._node, filter(_has_cores, alive) if any(map(_has_cores, alive)) else alive))
            self._nodes_until = time.monotonic() + NODES_SECONDS
        now = time.monotonic()
        return [node for node in self._nodes if self._avoided.get(node.id, 0.0) < now] or self._nodes

    def avoid(self, node: str) -> None:
        """Nothing that is sent to this node can begin there for now: its code or what it has installed is another."""
        self._avoided[node] = time.monotonic() + AVOIDED_SECONDS

    async def draining(self) -> frozenset[str]:
        """The ids of the nodes that are about to go: preempted, scaled down, or drained by an operator."""
        return await self.ask("the cluster", lambda: gcs.draining_nodes(CONTROL_PLANE_SECONDS))

    async def living_on(self, nodes: Collection[str]) -> list[str]:
        """The names of the actors of ours that live on these nodes."""

        def names() -> set[str]:
            return {actor.name for actor in gcs.live_actors() if actor.node in nodes}

        return sorted(await self.living() & await self.ask("the cluster", names))

    async def room_for_dedicated(self) -> tuple[int, int]:
        """How many actors of a single conversation live, and how many may."""
        budget = sum(node.budget for node in await self.nodes())
        return sum(map(is_dedicated, await self.living())), budget

    async def node_for_dedicated(self, conversation_id: str) -> str | None:
        """Where the conversation's own actor should start; it is counted there from now on."""
        nodes = await self.nodes()
        node = roomiest(conversation_id, nodes, await self.dedicated() if len(nodes) > 1 else {})
        if node is None:
            return None
        self._dedicated[node.id] += 1
        return node.id

    async def dedicated(self) -> Counter[str]:
        """How many actors of a single conversation live on each node, by its id."""
        if time.monotonic() > self._dedicated_until:
            self._dedicated = await self.ask("the cluster", self._count_dedicated)
            self._dedicated_until = time.monotonic() + NODES_SECONDS
        return self._dedicated

    def _count_dedicated(self) -> Counter[str]:
        return Counter(actor.node for actor in gcs.live_actors() if is_dedicated(actor.name))

    def _node(self, node: dict[str, Any]) -> Node:
        resources = node["Resources"]
        budget = self._dedicated_per_node
        if budget is None:
            budget = int(resources.get("memory", 0) / 2 // DEDICATED_BYTES)
        raylet = f"{node['NodeManagerAddress']}:{node['NodeManagerPort']}"
        return Node(node["NodeID"], max(1, int(resources.get("CPU", 1))), budget, raylet)


def _has_cores(node: dict[str, Any]) -> bool:
    return bool(node["Resources"].get("CPU", 0) >= 1)

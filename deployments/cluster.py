"""What the control plane knows of the cluster: its nodes, and the actors that live."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, TypeVar

import ray
from ray.exceptions import RayActorError, RayError

from deployments.errors import ControlPlaneUnavailable
from deployments.placement import Node, is_dedicated

Answer = TypeVar("Answer")
Actor = Any
"""A handle of a `Host`; Ray types its methods as never returning."""

CONTROL_PLANE_SECONDS = 5.0
NODES_SECONDS = 2.0
DEDICATED_BYTES = 150 * 1024**2
"""What a conversation of its own takes at most, in a node's memory."""


class Cluster:
    """Raises `ControlPlaneUnavailable` when nobody can tell: that is never taken for a no."""

    def __init__(self, namespace: str, dedicated_per_node: int | None) -> None:
        self._namespace = namespace
        self._dedicated_per_node = dedicated_per_node
        self._nodes: list[dict[str, Any]] = []
        self._nodes_until = 0.0

    async def ask(self, about: str, question: Callable[[], Answer]) -> Answer:
        """Put a blocking question to the control plane; `about` is for the error."""
        try:
            return await asyncio.wait_for(asyncio.to_thread(question), CONTROL_PLANE_SECONDS)
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
        """The nodes that live, those that can run nothing left out."""
        return [Node(node["NodeID"], max(1, int(node["Resources"].get("CPU", 1)))) for node in await self._alive()]

    async def room_for_dedicated(self) -> tuple[int, int]:
        """How many actors of a single conversation live, and how many may."""
        budget = sum(map(self._budget, await self._alive()))
        return sum(map(is_dedicated, await self.living())), budget

    async def _alive(self) -> list[dict[str, Any]]:
        if time.monotonic() > self._nodes_until:
            found: list[dict[str, Any]] = await self.ask("the cluster", ray.nodes)
            self._nodes = [node for node in found if node["Alive"]]
            self._nodes_until = time.monotonic() + NODES_SECONDS
        return self._nodes

    def _budget(self, node: dict[str, Any]) -> int:
        if self._dedicated_per_node is not None:
            return self._dedicated_per_node
        return int(node["Resources"].get("memory", 0) / 2 // DEDICATED_BYTES)

"""Warm workers: on each node some processes with all imports made wait to become dedicated actors.

Starting a process takes seconds, most of them for imports; a worker that has been started ahead of need becomes a
conversation's actor in a fraction of a second. Ray starts some with a node, and never again: so they are counted here,
and replaced.
"""

import asyncio

import structlog
from grpc import RpcError

from deployments.background.periodic import run_periodically
from deployments.ray_internals.raylet import fresh_workers, prestart
from deployments.routing.control_plane import ControlPlane
from deployments.routing.placement import Node
from deployments.settings import Settings
from store import Store

log = structlog.get_logger(__name__)

PERIOD_SECONDS = 2.0
START_MS = 10_000
"""How long a node may take to start the workers that it was asked for, before it is asked again."""


class WarmPool:
    """Runs in every ingress replica; one of them at a time asks a node, so that it starts no more than it needs.

    A node whose budget for dedicated actors is used up gets none.
    """

    def __init__(self, settings: Settings, store: Store) -> None:
        self._wanted = settings.warm_workers
        self._store = store
        self._control_plane = ControlPlane(settings.namespace, settings.dedicated_per_node)

    async def run(self) -> None:
        """Fill until cancelled."""
        if self._wanted:
            await run_periodically(self.fill, PERIOD_SECONDS, "warm_pool_not_filled")

    async def fill(self) -> None:
        """Ask each node that has too few warm workers to start more; it does not wait until they are there."""
        dedicated = await self._control_plane.count_dedicated()
        nodes = await self._control_plane.nodes()
        await asyncio.gather(*(self._fill_node(node, node.budget - dedicated[node.id]) for node in nodes))

    async def _fill_node(self, node: Node, room: int) -> None:
        wanted = min(self._wanted, room)
        if wanted <= 0:
            return
        try:
            lacking = wanted - len(await asyncio.to_thread(fresh_workers, node.raylet))
            if lacking <= 0:
                await self._store.hosts.end_prestart(node.id)
            elif await self._store.hosts.claim_prestart(node.id, START_MS):
                await asyncio.to_thread(prestart, node.raylet, lacking)
        except RpcError as error:
            log.info("node_not_asked", node=node.id, cause=str(error))

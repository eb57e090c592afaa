"""Warm workers: on each node some processes that have made their imports wait for conversations that get their own.

Starting a process takes seconds, most of them for imports; a worker that has been started ahead of need becomes a
conversation's actor in a fraction of one. Ray starts a few with a node, and never again: so they are counted here,
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
"""How long the workers that were asked for may take to come up before more are."""


class WarmPool:
    """Runs in every ingress replica; a node is asked by one of them at a time, so that it gets no more than it needs.

    A node whose conversations have used up its budget gets none.
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
        """See to it that every node has the workers it should have, or will have them soon."""
        dedicated = await self._control_plane.dedicated()
        nodes = await self._control_plane.nodes()
        await asyncio.gather(*(self._fill(node, node.budget - dedicated[node.id]) for node in nodes))

    async def _fill(self, node: Node, room: int) -> None:
        wanted = min(self._wanted, room)
        if wanted <= 0:
            return
        try:
            lacking = wanted - len(await asyncio.to_thread(fresh_workers, node.raylet))
            if lacking <= 0:
                await self._store.hosts.prestarted(node.id)
            elif await self._store.hosts.may_prestart(node.id, START_MS):
                await asyncio.to_thread(prestart, node.raylet, lacking)
        except RpcError as error:
            log.info("node_not_asked", node=node.id, cause=str(error))

"""Warm workers: on each node some processes with all imports made wait to become dedicated actors.

Starting a process takes seconds, most of them for imports; a worker that has been started ahead of need becomes a
conversation's actor in a fraction of a second. Ray starts some with a node, and never again: so they are counted here,
and replaced.
"""

import asyncio
import time
from collections.abc import Callable, Iterable

import structlog
from grpc import RpcError

from deployments.background.periodic import run_periodically
from deployments.ray_internals.raylet import fresh_workers, prestart
from deployments.routing.control_plane import ControlPlane, cluster_name
from deployments.routing.placement import Node
from deployments.routing.warm_workers import SPARE
from deployments.settings import Settings
from store import Store

log = structlog.get_logger(__name__)

PERIOD_SECONDS, HURRIED_SECONDS = 2.0, 0.5
"""How often it is looked after: while actors are in the line of starts, more often."""
CALM_SECONDS = 6.0
"""How long nodes that had all their warm workers are not asked again, unless the line has had actors lately."""
START_MS = 10_000
"""How long a node may take to start the workers that it was asked for, before it is asked again."""
KEPT_SECONDS, EXTRA_SECONDS = 3600, 60
"""How long a worker waits for its first work before Ray may end it: one of the fewest, and a further one."""


class WarmPool:
    """Runs in every ingress replica; one of them at a time asks a node, so that it starts no more than it needs.

    A node has the fewest warm workers that the settings allow, and more by what is and has lately been in the line of
    starts: so the pool grows with the demand, and a minute after it has shrunk. Nodes whose budget for dedicated actors
    is used up have the one for the successor of a host, and no more.
    """

    def __init__(self, settings: Settings, store: Store, control_plane: ControlPlane) -> None:
        self._fewest = settings.warm_workers
        self._most = settings.max_warm_workers
        self._store = store
        self._control_plane = control_plane
        self._asked: dict[str, Asked] = {}
        self._is_hurried = False
        self._calm_until = 0.0

    async def run(self) -> None:
        """Fill until cancelled."""
        if self._fewest:
            await run_periodically(self.fill, self._pause, "warm_pool_not_filled")

    async def fill(self) -> None:
        """Ask each node that has too few warm workers to start more; it does not wait until they are there."""
        demand = await self._store.starts.demand(cluster_name())
        self._is_hurried = demand.in_line > 0
        # A node that is asked asks all of its workers in turn.
        if not any(demand) and time.monotonic() < self._calm_until:
            return
        dedicated = await self._control_plane.count_dedicated()
        nodes = await self._control_plane.nodes()
        further = -(-max(demand.in_line, demand.recent) // max(1, len(nodes)))
        are_full = await asyncio.gather(
            *(self._fill_node(node, node.budget - dedicated[node.id], further) for node in nodes)
        )
        self._calm_until = time.monotonic() + CALM_SECONDS if all(are_full) else 0.0

    def _pause(self) -> float:
        return HURRIED_SECONDS if self._is_hurried else PERIOD_SECONDS

    async def _fill_node(self, node: Node, room: int, further: int) -> bool:
        """Whether it has all that it should have."""
        wanted = warm_workers_wanted(self._fewest, self._most or 2 * node.cores, room, further)
        asked = self._asked.setdefault(node.id, Asked())
        try:
            asked.note(await asyncio.to_thread(fresh_workers, node.raylet))
            lacking = wanted - len(asked.fresh) - asked.missing
            if lacking <= 0:
                if not asked.missing:
                    await self._store.hosts.end_prestart(node.id)
                    asked.is_ours = False
                    return True
            elif asked.is_ours or await self._store.hosts.claim_prestart(node.id, START_MS):
                fewest = max(0, min(lacking, self._fewest - len(asked.fresh) - asked.missing))
                for count, seconds in ((fewest, KEPT_SECONDS), (lacking - fewest, EXTRA_SECONDS)):
                    if count:
                        await asyncio.to_thread(prestart, node.raylet, count, seconds)
                asked.add(lacking)
                asked.is_ours = True
        except RpcError as error:
            log.info("node_not_asked", node=node.id, cause=str(error))
        return False


class Asked:
    """The warm workers of a node as they were last seen, and further ones that it was asked for and has yet to start.

    While it `is_ours`, no other replica asks this node: its claim is given up, or runs out, with the last of them.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.fresh: frozenset[int] = frozenset()
        self.is_ours = False
        self._clock = clock
        self._asked_at: list[float] = []

    @property
    def missing(self) -> int:
        """How many it was asked for and has yet to start; what it should have started long ago is not counted."""
        return len(self._asked_at)

    def add(self, count: int) -> None:
        """So many more were asked for."""
        self._asked_at += [self._clock()] * count

    def note(self, fresh: Iterable[int]) -> None:
        """These processes wait for work now; new ones are what was asked for."""
        seen = frozenset(fresh)
        too_late = self._clock() - START_MS / 1000
        self._asked_at = [at for at in self._asked_at[len(seen - self.fresh) :] if at > too_late]
        self.fresh = seen


def warm_workers_wanted(fewest: int, most: int, room: int, further: int) -> int:
    """How many warm workers a node should have: `room` for dedicated actors is left in its budget.

    `further` is its share of the starts that are and have lately been in the line.
    """
    return min(max(fewest, min(fewest + further, most)), SPARE + max(0, room))

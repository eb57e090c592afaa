"""Shared hosts ahead of need: each node has one that answers, and gets another before those there are full."""

import asyncio
import math
import time
from contextlib import suppress

import structlog
from ray.exceptions import RayError

from deployments.background.periodic import run_periodically
from deployments.routing.door import Door
from deployments.routing.errors import DeploymentError
from deployments.routing.launcher import ActorSpec, HostSlots
from deployments.routing.placement import HostSlot
from store import Store, StoreError

log = structlog.get_logger(__name__)

PERIOD_SECONDS = 1.0
START_SECONDS = 60.0
"""How long a host may take until it answers, before it is counted as failed."""
REPORT_SECONDS = 2.0
"""How long a host that has answered may take to report; one with the code before reports later."""
LOOK_SECONDS = 1.0
"""How often a replica that starts looks whether others serve meanwhile."""
PAUSE_SECONDS = 30.0
"""How long a node is left alone after a host could not start there."""
READY_SECONDS = 40.0
"""How long a replica waits for the first hosts before it says that it is ready all the same."""
LOST_SECONDS = 10.0
"""How long a replica stays ready while no node has a host that answers: a host that has died is replaced sooner."""
LOOKS = 2
"""A node gets a further host if it needs one at so many looks in a row: a short burst is over before that is there."""


class HostSupply:
    """Runs in every ingress replica. A host has a name, so of replicas that start the same one, one does.

    No door sends a conversation to a host before that has reported, which it does from its first call on: here.
    """

    def __init__(self, store: Store, door: Door) -> None:
        self._store = store
        self._door = door
        self._launcher = door.launcher
        self._ready_at_last = time.monotonic() + READY_SECONDS
        self._is_supplied = asyncio.Event()
        self._starting: dict[str, asyncio.Task[None]] = {}
        self._paused: dict[str, float] = {}
        self._looks: dict[str, int] = {}
        self._bare: set[str] = set()
        self._hostless_since: float | None = None
        self._had_host = False

    @property
    def is_ready(self) -> bool:
        """Whether conversations can start: the first hosts were waited for, and some node has one that answers."""
        hostless = self._hostless_since
        return self._has_waited and (hostless is None or time.monotonic() - hostless < LOST_SECONDS)

    @property
    def _has_waited(self) -> bool:
        """Whether each node had a host that answered, once; a node that cannot start one is not waited for for ever."""
        return self._is_supplied.is_set() or time.monotonic() > self._ready_at_last

    async def wait_in_rollout(self, cluster: str) -> None:
        """Return once this replica has waited for the first hosts, or no other one serves the cluster.

        Serve keeps the replicas of the code before until a new one has started. So people are served by them, in hosts
        of their code, while the first hosts of this code are started.
        """
        while not self._has_waited and await self._is_served(cluster):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._is_supplied.wait(), LOOK_SECONDS)

    async def _is_served(self, cluster: str) -> bool:
        try:
            return await self._store.clusters.is_served(cluster)
        except StoreError:
            return False

    @property
    def bare_nodes(self) -> list[str]:
        """The ids of the nodes that have no host that answers, as of the last look."""
        return sorted(self._bare)

    async def run(self) -> None:
        """Start what lacks until cancelled."""
        try:
            await run_periodically(self.supply, PERIOD_SECONDS, "hosts_not_supplied")
        finally:
            for task in self._starting.values():
                task.cancel()

    async def supply(self) -> None:
        """Begin to start each node's next host, if one lacks; it does not wait until that answers."""
        slots = await self._look()
        with_host = {slot.node for slot in (*slots.answering, *slots.surplus)}
        self._bare = {slot.node for slot in slots.lacking if slot.node not in with_host}
        # While the control plane or Redis is away this is not reached, and hosts that were there count as there.
        if with_host:
            self._hostless_since, self._had_host = None, True
        elif self._hostless_since is None:
            self._hostless_since = time.monotonic() if self._had_host else -math.inf
        next_hosts = {slot.node: slot for slot in reversed(slots.lacking)}
        self._looks = {node: self._looks.get(node, 0) + 1 for node in next_hosts}
        for node, slot in next_hosts.items():
            if node in self._bare or self._looks[node] >= LOOKS:
                self._begin(slot)
        await asyncio.gather(*(self._door.hosts.meet(slot.name) for slot in (*slots.answering, *slots.surplus)))
        if not self._is_supplied.is_set() and all(self._is_paused(node) for node in self._bare):
            self._is_supplied.set()
            for node in self.bare_nodes:
                log.warning("node_without_host", node=node)

    async def _look(self) -> HostSlots:
        """The hosts, without the hosts that have died since they reported: no door need try them."""
        slots = await self._launcher.host_slots()
        live = await self._launcher.control_plane.live_actors()
        dead = [slot.name for slot in (*slots.answering, *slots.surplus) if slot.name not in live]
        for name in dead:
            log.info("host_died", host=name)
            self._door.hosts.forget(name)
            await self._store.hosts.forget(name)
        return await self._launcher.host_slots() if dead else slots

    def _begin(self, slot: HostSlot) -> None:
        if slot.name in self._starting or self._is_paused(slot.node):
            return
        task = self._starting[slot.name] = asyncio.create_task(self._start(slot))
        task.add_done_callback(lambda _: self._starting.pop(slot.name))

    async def _start(self, slot: HostSlot) -> None:
        try:
            actor = await self._launcher.start(ActorSpec(slot.name, slot.node))
            async with asyncio.timeout(START_SECONDS):
                await actor.missing.remote([])
        except (RayError, DeploymentError, TimeoutError) as error:
            self._paused[slot.node] = time.monotonic() + PAUSE_SECONDS
            log.warning("host_not_started", host=slot.name, node=slot.node, cause=str(error) or type(error).__name__)
        else:
            log.info("host_started", host=slot.name, node=slot.node)
            await asyncio.sleep(REPORT_SECONDS)

    def _is_paused(self, node: str) -> bool:
        return self._paused.get(node, 0.0) > time.monotonic()

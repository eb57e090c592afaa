"""How full a host is: the conversations in it, and whether it uses most of a core; reported to the doors."""

import time
from collections.abc import Callable

from deployments.host.activations import Activations
from deployments.routing.placement import is_dedicated, is_first_host, load_of_neighbours
from deployments.settings import Settings
from store import Store

BUSY_SHARE = 0.7
"""A host that uses more of a core makes new conversations wait noticeably for the present ones."""
MIN_INTERVAL_SECONDS = 0.5


class HostLoad:
    """Of one host in `cluster`; a dedicated one has room for its own conversation, and reports nothing."""

    def __init__(self, name: str, cluster: str, settings: Settings, store: Store, activations: Activations) -> None:
        self.name = name
        self._cluster = cluster
        self.is_dedicated = is_dedicated(name)
        self._max_here = 1 if self.is_dedicated else settings.host_conversations
        self._max_on_node = settings.node_conversations
        self._store = store
        self._activations = activations
        self._cpu_load = CpuLoad()
        self._neighbours: int | None = None

    def has_room(self) -> bool:
        """Whether one more conversation may live here."""
        here = len(self._activations)
        if here >= self._max_here:
            return False
        return self.is_dedicated or self._max_on_node is None or here + (self._neighbours or 0) < self._max_on_node

    async def report(self) -> None:
        """Tell the doors how full this host is; learn how full the others on this node are, if that counts.

        Raises `store.StoreUnavailable`.
        """
        if self.is_dedicated:
            return
        await self._store.hosts.report(self.name, len(self._activations), busy=self._cpu_load.is_busy())
        if self._max_on_node is not None:
            self._neighbours = load_of_neighbours(self.name, await self._store.hosts.loads())

    async def is_needed(self) -> bool:
        """Whether it stays though it is empty: the first host of a node, as long as a service places conversations.

        Raises `store.StoreUnavailable`.
        """
        if self.is_dedicated or not is_first_host(self.name, await self._store.hosts.loads()):
            return False
        return await self._store.clusters.is_served(self._cluster)

    async def report_if_node_is_full(self) -> None:
        """The same, if the bound of the node is or may be reached: the doors must not take this node for empty."""
        if self._max_on_node is not None and (self._neighbours is None or not self.has_room()):
            await self.report()


class CpuLoad:
    """How much of a core this process uses: a host runs in one thread, so one core is all that it can use.

    Measured between the last two calls that were at least `MIN_INTERVAL_SECONDS` apart; both clocks count seconds.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, cpu_clock: Callable[[], float] = time.process_time
    ) -> None:
        self._clock, self._cpu_clock = clock, cpu_clock
        self._at, self._used = clock(), cpu_clock()
        self._busy = False

    def is_busy(self) -> bool:
        """Whether the process has used most of a core since the call before."""
        at, used = self._clock(), self._cpu_clock()
        if at - self._at >= MIN_INTERVAL_SECONDS:
            self._busy = used - self._used > BUSY_SHARE * (at - self._at)
            self._at, self._used = at, used
        return self._busy

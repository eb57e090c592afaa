"""The cluster at a glance: every host is asked for its recent figures when an operator looks, and they are added up."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from agents.clock import now_ms
from deployments.background.live_conversations import LiveHost, ask_hosts
from deployments.overview.recent import MergedFigures
from deployments.overview.summary import describe
from deployments.routing.door import Door
from deployments.routing.placement import is_dedicated

MIN_AGE_SECONDS: Final = 2.0
"""An answer that is not older is given again."""
MAX_AGE_SECONDS: Final = 30.0
"""An answer that is older is not given any more."""
MAX_SHARE: Final = 0.05
"""The share of its time that a replica spends with this at most: where asking takes long, answers get older."""
PATIENCE_SECONDS: Final = 2.0
"""How long a caller waits for a newer answer if there is an older one."""
SILENT_SECONDS: Final = 30.0
"""For so long a host that did not answer is not asked again: it takes seconds to find out."""
MAX_HOSTS: Final = 2000
"""How many actors are asked at most, shared hosts first."""

Answer = Mapping[str, Any]
Clock = Callable[[], float]


class SharedAnswer:
    """One answer for all who ask at about the same time; `ask` is called when one of them does, and never by itself.

    `clock` counts seconds.
    """

    def __init__(self, ask: Callable[[], Awaitable[Answer]], clock: Clock = time.monotonic) -> None:
        self._ask = ask
        self._clock = clock
        self._answer: Answer | None = None
        self._fresh_until = self._usable_until = 0.0
        self._asking: asyncio.Task[Answer] | None = None

    async def get(self, patience: float = PATIENCE_SECONDS) -> Answer:
        """An answer of the last seconds. Raises what `ask` raises.

        If a newer one takes longer than `patience` (seconds), it is one of the last half minute.
        """
        now = self._clock()
        if self._answer is not None and now < self._fresh_until:
            return self._answer
        if self._asking is None:
            self._asking = asyncio.create_task(self._run())
            self._asking.add_done_callback(self._end)
        asking, older = self._asking, self._answer if now < self._usable_until else None
        # A caller that goes away must not end what others wait for.
        await asyncio.wait({asking}, timeout=None if older is None else patience)
        return asking.result() if asking.done() or older is None else older

    async def _run(self) -> Answer:
        began = self._clock()
        answer = self._answer = await self._ask()
        ended = self._clock()
        self._fresh_until = ended + max(MIN_AGE_SECONDS, (ended - began) / MAX_SHARE)
        self._usable_until = max(self._fresh_until, ended + MAX_AGE_SECONDS)
        return answer

    def _end(self, asking: asyncio.Task[Answer]) -> None:
        self._asking = None
        if not asking.cancelled():
            asking.exception()  # the last caller may have gone


class Overview:
    """Of one replica: no host is asked while no operator looks."""

    def __init__(self, door: Door, clock: Clock = time.monotonic) -> None:
        self._door = door
        self._clock = clock
        self._answer = SharedAnswer(self._ask, clock)
        self._silent_until: dict[str, float] = {}

    async def read(self) -> Answer:
        """The overview as the API shows it; its `at` (ms) says from when it is. Raises `ControlPlaneUnavailable`."""
        return await self._answer.get()

    async def _ask(self) -> Answer:
        control_plane = self._door.launcher.control_plane
        nodes, places = await asyncio.gather(control_plane.node_entries(), control_plane.places())
        asked = dict(sorted(places.items(), key=lambda place: (is_dedicated(place[0]), place[0]))[:MAX_HOSTS])
        now = self._clock()
        self._silent_until = {name: until for name, until in self._silent_until.items() if until > now}
        silent = [LiveHost(name, asked[name], None, False, None) for name in self._silent_until if name in asked]
        places_to_ask = {name: node for name, node in asked.items() if name not in self._silent_until}
        hosts = await ask_hosts(self._door, places_to_ask, {}, 0)
        self._silent_until |= {host.name: self._clock() + SILENT_SECONDS for host in hosts if not host.answers}
        figures = MergedFigures()
        for host in hosts:
            if host.report is not None:
                figures.add(host.report.get("recent", ()))
                await asyncio.sleep(0)  # there may be many, and others' requests wait
        return describe(now_ms(), nodes, [*hosts, *silent], figures, len(places) - len(asked))

"""Breaks things as planned, and heals them; keeps a record of what was hit when."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from tests.chaos.faults import FAULTS
from tests.chaos.plan import Fault
from tests.chaos.world import World


@dataclass(frozen=True, slots=True)
class Hit:
    """A fault that was done: its target, and from when to when (seconds since the epoch) it lasted."""

    kind: str
    target: str
    begun: float
    healed: float


class Nemesis:
    """`hits` is what it did; what had no target is left out."""

    def __init__(self, world: World) -> None:
        self.hits: list[Hit] = []
        self._world = world
        self._locks = {"Redis": asyncio.Lock()}

    async def rage(self, faults: Sequence[Fault]) -> None:
        """Return when everything is healed."""
        started = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as group:
            for fault in faults:
                await asyncio.sleep(max(0.0, started + fault.at - asyncio.get_running_loop().time()))
                group.create_task(self._break(fault))

    async def _break(self, fault: Fault) -> None:
        if fault.kind.endswith(" Redis"):
            async with self._locks["Redis"]:  # one that is dead cannot be stopped
                await self._hit(fault)
        else:
            await self._hit(fault)

    async def _hit(self, fault: Fault) -> None:
        begun = time.time()
        async with FAULTS[fault.kind](self._world, fault.pick) as target:
            if target is not None:
                await asyncio.sleep(fault.seconds)
        if target is not None:
            self.hits.append(Hit(fault.kind, target, begun, time.time()))

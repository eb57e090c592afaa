"""Injects the faults of a plan and heals them; records what was broken when."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from tests.chaos.faults import FAULTS
from tests.chaos.plan import Fault
from tests.chaos.system import SystemUnderTest


@dataclass(frozen=True, slots=True)
class InjectedFault:
    """A fault that happened: its target, and from when to when (seconds since the epoch) it lasted."""

    kind: str
    target: str
    begun: float
    healed: float


class Nemesis:
    """`injected` has the faults that happened; faults without a target are left out."""

    def __init__(self, system: SystemUnderTest) -> None:
        self.injected: list[InjectedFault] = []
        self._system = system
        self._locks = {"Redis": asyncio.Lock()}

    async def inject(self, faults: Sequence[Fault]) -> None:
        """Inject these faults; returns when all are healed."""
        started = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as group:
            for fault in faults:
                await asyncio.sleep(max(0.0, started + fault.at - asyncio.get_running_loop().time()))
                group.create_task(self._inject_in_turn(fault))

    async def _inject_in_turn(self, fault: Fault) -> None:
        if fault.kind.endswith(" Redis"):
            async with self._locks["Redis"]:  # one fault at a time: a dead server cannot be stopped
                await self._inject(fault)
        else:
            await self._inject(fault)

    async def _inject(self, fault: Fault) -> None:
        begun = time.time()
        async with FAULTS[fault.kind](self._system, fault.pick) as target:
            if target is not None:
                await asyncio.sleep(fault.seconds)
        if target is not None:
            self.injected.append(InjectedFault(fault.kind, target, begun, time.time()))

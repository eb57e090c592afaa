"""Recovery without a knock: turns whose owner died are found in the index of the unfinished, and woken at the door."""

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any

import structlog

from agents.clock import now_ms
from deployments.background.periodic import run_periodically
from deployments.routing.door import Door
from store import Store

log = structlog.get_logger(__name__)

PERIOD_SECONDS = 1.0
GRACE_MS = 1000
BATCH = 10_000
AT_ONCE = 8
FREE_TRIES = 3
LONGEST_PAUSE_SECONDS = 30.0
"""A turn that ends every process that takes it up must not do so all the time: others live in those as well."""


class RecoverySweep:
    """Runs in every ingress replica; what two of them do at once the door makes one.

    A sweep waits for nobody: a host that hangs, or a conversation that cannot be woken, holds up no other. No more than
    `AT_ONCE` conversations are woken at a time, so that those who knock themselves find a cluster that has time.
    """

    def __init__(self, store: Store, door: Door, cluster: str) -> None:
        self._cluster = cluster
        self._store = store
        self._door = door
        self._bound = asyncio.Semaphore(AT_ONCE)
        self._waking: set[str] = set()
        self._asking: set[str] = set()
        self._tries = Counter[str]()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Sweep until cancelled."""
        try:
            await run_periodically(self.sweep, PERIOD_SECONDS, "sweep_failed")
        finally:
            for task in self._tasks:
                task.cancel()

    async def sweep(self) -> None:
        """Begin to wake every conversation that is due and lives nowhere.

        Another cluster sees to its own while it is there.
        """
        others = await self._store.clusters.report(self._cluster)
        due = await self._store.registry.unfinished(now_ms() - GRACE_MS, BATCH)
        self._tries = Counter({key: self._tries[key] for key in due if key in self._tries})
        places = await self._store.registry.places([key for key in due if key not in self._waking], others)
        if not places:
            return
        lost, elsewhere = await self._door.liveness.lost(places)
        self._wake_all(lost)
        for place, conversation_ids in elsewhere.items():
            if place not in self._asking:
                self._asking.add(place)
                self._begin(self._ask(place, conversation_ids))

    async def _ask(self, place: str, conversation_ids: Sequence[str]) -> None:
        """An actor that lives may have let go of them."""
        try:
            self._wake_all(await self._door.liveness.missing(place, conversation_ids))
        finally:
            self._asking.discard(place)

    def _wake_all(self, conversation_ids: Iterable[str]) -> None:
        for conversation_id in conversation_ids:
            if conversation_id not in self._waking:
                self._waking.add(conversation_id)
                self._begin(self._wake(conversation_id))

    async def _wake(self, conversation_id: str) -> None:
        self._tries[conversation_id] += 1
        tries = self._tries[conversation_id]
        try:
            async with self._bound:
                await self._door.wake(conversation_id)
        except Exception as error:  # noqa: BLE001 - one conversation must not keep the others waiting
            log.warning("wake_failed", conversation=conversation_id, cause=str(error), tries=tries)
            await asyncio.sleep(pause_after(tries))
        else:
            log.info("woken", conversation=conversation_id, tries=tries)
            await asyncio.sleep(pause_after(tries - FREE_TRIES))
        finally:
            self._waking.discard(conversation_id)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def pause_after(tries: int) -> float:
    """Seconds before a conversation is looked at again that was woken so often, and still has something to do."""
    return min(2.0 ** (tries - 1), LONGEST_PAUSE_SECONDS) if tries > 0 else 0.0

"""Recovery by itself: turns whose actor died are found in the index of unfinished turns, and woken through the door."""

import asyncio
import time
from collections import Counter
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any

import structlog

from agents.clock import now_ms
from deployments.background.periodic import run_periodically
from deployments.metrics import table
from deployments.metrics.recorder import Recorder
from deployments.routing.door import Door
from store import Store

log = structlog.get_logger(__name__)

PERIOD_SECONDS = 1.0
REPORT_SECONDS = 1.5
"""How often the cluster is reported while no turn is due; it counts as gone after five seconds."""
GRACE_MS = 1000
MAX_DUE = 10_000
MAX_WAKING = 8
TRIES_WITHOUT_PAUSE = 3
MAX_PAUSE_SECONDS = 30.0
"""A turn may end every process that goes on with it. Pauses spare the other conversations in those processes."""


class RecoverySweep:
    """Runs in every ingress replica; if two of them wake a conversation at once, the door starts it once.

    Conversations that are in the line of starts already are left to the process that has entered them.

    A sweep does not wait: a host that hangs, or a conversation that cannot be woken, holds up no other. No more than
    `MAX_WAKING` conversations are woken at a time, so that the cluster keeps time for people's requests.
    """

    def __init__(self, store: Store, door: Door, cluster: str, recorder: Recorder | None = None) -> None:
        self._cluster = cluster
        self._store = store
        self._door = door
        self._recorder = recorder or Recorder()
        self._bound = asyncio.Semaphore(MAX_WAKING)
        self._waking: set[str] = set()
        self._asking: set[str] = set()
        self._tries = Counter[str]()
        self._reported = -REPORT_SECONDS
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

        Conversations of another cluster are left to it while it is there.
        """
        due = await self._store.registry.unfinished(now_ms() - GRACE_MS, MAX_DUE)
        self._tries = Counter({key: self._tries[key] for key in due if key in self._tries})
        if not due and time.monotonic() < self._reported + REPORT_SECONDS:
            return
        others = await self._store.clusters.report(self._cluster)
        self._reported = time.monotonic()
        resting = [key for key in due if key not in self._waking and key not in self._door.line]
        places = await self._store.registry.places(resting, others)
        if not places:
            return
        lost, live = await self._door.liveness.locate(places)
        in_line = await self._door.line.entered() if lost else ()
        self._wake_all(key for key in lost if key not in in_line)
        for place, conversation_ids in live.items():
            if place not in self._asking:
                self._asking.add(place)
                self._begin(self._ask(place, conversation_ids))

    async def _ask(self, place: str, conversation_ids: Sequence[str]) -> None:
        """Wake the conversations that the actor does not have: it lives, but may have let go of them."""
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
        found_at = time.monotonic()
        self._tries[conversation_id] += 1
        tries = self._tries[conversation_id]
        try:
            async with self._bound:
                await self._door.wake(conversation_id)
        except Exception as error:  # noqa: BLE001 - one conversation must not keep the others waiting
            self._recorder.count(table.RECOVERIES, "failed")
            log.warning("wake_failed", conversation_id=conversation_id, cause=str(error), tries=tries)
            await asyncio.sleep(pause_after(tries))
        else:
            self._recorder.count(table.RECOVERIES, "woken")
            self._recorder.observe(table.RECOVERY_SECONDS, time.monotonic() - found_at)
            log.info("woken", conversation_id=conversation_id, tries=tries)
            await asyncio.sleep(pause_after(tries - TRIES_WITHOUT_PAUSE))
        finally:
            self._waking.discard(conversation_id)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def pause_after(tries: int) -> float:
    """Seconds before a conversation that has been woken so often, and still has work to do, is looked at again."""
    return min(2.0 ** (tries - 1), MAX_PAUSE_SECONDS) if tries > 0 else 0.0

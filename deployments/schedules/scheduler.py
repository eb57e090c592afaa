"""The scheduler: finds the schedules that are due, and does what is to be done about each, exactly once."""

import asyncio
import secrets
from collections.abc import Callable, Mapping
from functools import partial

import structlog
from pydantic import ValidationError

from agents.agent import Catalog
from agents.clock import now_ms
from deployments.background.periodic import run_periodically
from deployments.batches.client import BatchClient
from deployments.metrics.recorder import Recorder
from deployments.schedules.client import ScheduleClient
from deployments.schedules.errors import NotRunnable, UnknownSchedule
from deployments.schedules.outcomes import Outcomes
from deployments.schedules.runs import Reach, Runs
from deployments.schedules.state import Run, Schedule
from deployments.schedules.transitions import (
    Outcome,
    Step,
    note_ending,
    note_failed_effect,
    note_started,
    tend,
)
from deployments.work.client import JobClient
from store import Store

log = structlog.get_logger(__name__)

PERIOD_SECONDS = 1.0
LEASE_MS = 5_000
"""How long the one that looks for what is due may be silent before another does."""
MAX_DUE = 500
"""So many are looked at together; the others are due still."""
MAX_AT_ONCE = 16
"""So many are tended, and so many runs started, at the same time."""
UNREADABLE_MS = 60_000


class Scheduler:
    """Runs in every ingress replica; the one that has the lease looks. The lease only saves work.

    What is decided is committed against the revision that it was decided on, so each due time is decided once, by
    whichever process; what was decided is started until its conversation or its job has it, which know it by its id.
    """

    def __init__(
        self,
        store: Store,
        client: ScheduleClient,
        runs: Runs,
        outcomes: Outcomes,
        *,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self._store = store
        self._client = client
        self._runs = runs
        self._outcomes = outcomes
        self._clock = clock
        self._lease = store.schedules.lease()
        self._holder = secrets.token_hex(8)
        self._next: int | None = None
        self._tending: dict[str, asyncio.Task[None]] = {}
        self._bound = asyncio.Semaphore(MAX_AT_ONCE)
        self._starts = asyncio.Semaphore(MAX_AT_ONCE)

    async def run(self) -> None:
        """Look until cancelled."""
        try:
            await run_periodically(self.look, self._pause, "schedules_not_looked_at")
        finally:
            for task in self._tending.values():
                task.cancel()
            await self.leave()

    async def leave(self) -> None:
        """Let another process look at once."""
        await self._lease.release(self._holder)

    async def look(self) -> None:
        """Begin to do what is due, if this process has the lease."""
        self._next = None
        if not await self._lease.hold(self._holder, LEASE_MS):
            return
        due, self._next = await self._store.schedules.due(self._clock(), round(1000 * PERIOD_SECONDS), MAX_DUE)
        for schedule_id in due:
            if schedule_id not in self._tending:
                task = asyncio.create_task(self._tend_one(schedule_id))
                self._tending[schedule_id] = task
                task.add_done_callback(partial(self._forget, schedule_id))

    def _forget(self, schedule_id: str, _: "asyncio.Task[None]") -> None:
        del self._tending[schedule_id]

    async def settle(self) -> None:
        """Wait until what was begun is done."""
        while self._tending:
            await asyncio.wait(self._tending.values())

    async def tend(self, schedule_id: str) -> None:
        """Do what is to be done about one schedule now. Raises UnknownSchedule, and what the store raises."""
        schedule = await self._client.get(schedule_id)
        outcomes = await self._look_at_runs(schedule)
        schedule, step = await self._client.commit_step(
            schedule_id, lambda now_read: tend(now_read, outcomes, self._clock()), always=True
        )
        if step.ended:
            log.info("runs_over", schedule_id=schedule_id, runs={run.id: run.state for run in step.ended})
        claimed = [run for run in schedule.state.runs if run.id in step.claimed]
        await asyncio.gather(*(self._carry_out(schedule, run) for run in claimed))

    async def _tend_one(self, schedule_id: str) -> None:
        async with self._bound:
            try:
                await self.tend(schedule_id)
            except UnknownSchedule:
                await self._store.schedules.forget_due(schedule_id)
            except ValidationError as error:  # of newer code
                log.warning("schedule_not_readable", schedule_id=schedule_id, cause=str(error))
                await self._store.schedules.look_later(schedule_id, self._clock() + UNREADABLE_MS)
            except Exception as error:  # noqa: BLE001 - one schedule must not keep the others waiting
                log.warning("schedule_not_tended", schedule_id=schedule_id, cause=str(error))
                await asyncio.sleep(PERIOD_SECONDS)

    async def _look_at_runs(self, schedule: Schedule) -> Mapping[str, Outcome]:
        """How the runs go that have begun, for whether a due time is left out depends on it."""
        runs = [run for run in schedule.state.runs if run.state != "starting"]
        found = await asyncio.gather(*(self._outcomes.read(schedule, run) for run in runs))
        return {run.id: outcome for run, outcome in zip(runs, found, strict=True) if outcome is not None}

    async def _carry_out(self, schedule: Schedule, run: Run) -> None:
        """Start or end the run that this process has claimed, and note what came of it."""
        try:
            async with self._starts:
                step = await self._start(schedule, run) if run.state == "starting" else await self._end(schedule, run)
        except NotRunnable as error:
            step = self._failing(run, str(error), is_final=True)
        except Exception as error:  # noqa: BLE001 - whatever is away, it is tried again
            log.warning("run_put_off", schedule_id=schedule.id, run=run.id, tries=run.tries, cause=str(error))
            step = self._failing(run, f"it could not be started yet: {type(error).__name__}", is_final=False)
        await self._client.commit(schedule.id, step)

    async def _start(self, schedule: Schedule, run: Run) -> Callable[[Schedule], Step]:
        where = await self._runs.start(schedule, run)
        log.info("run_started", schedule_id=schedule.id, run=run.id, conversation_id=where.get("conversation"))
        return lambda now_read: note_started(now_read, run.id, self._clock(), **where)

    async def _end(self, schedule: Schedule, run: Run) -> Callable[[Schedule], Step]:
        await self._runs.end(schedule, run)
        return lambda now_read: note_ending(now_read, run.id, self._clock())

    def _failing(self, run: Run, error: str, *, is_final: bool) -> Callable[[Schedule], Step]:
        return lambda now_read: note_failed_effect(now_read, run.id, error, self._clock(), is_final=is_final)

    def _pause(self) -> float:
        """Seconds until something is due, a second at most: what is new is not announced."""
        if self._next is None:
            return PERIOD_SECONDS
        return min(PERIOD_SECONDS, max(0.01, (self._next - self._clock()) / 1000))


def make_scheduler(
    store: Store,
    catalog: Catalog,
    reach: Reach,
    jobs: JobClient,
    clock: Callable[[], int] = now_ms,
    batches: BatchClient | None = None,
    recorder: Recorder | None = None,
) -> Scheduler:
    """A scheduler of this process. `reach` is the door, or what stands for it where no cluster is."""
    runs = Runs(store, catalog, reach, jobs, clock, batches)
    return Scheduler(
        store, ScheduleClient(store, clock=clock, recorder=recorder), runs, Outcomes(store, catalog), clock=clock
    )

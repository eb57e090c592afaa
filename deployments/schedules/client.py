"""What the service does with schedules outside the scheduler: make, change, pause, resume, run now, delete, look up."""

import builtins
import hashlib
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from agents.clock import now_ms
from deployments.metrics import table
from deployments.metrics.recorder import Recorder
from deployments.schedules.definition import Change, Definition
from deployments.schedules.errors import TooManyRuns, TooManySchedules, UnknownSchedule
from deployments.schedules.state import (
    Run,
    Schedule,
    ScheduleState,
    decode_run,
    decode_schedule,
    encode_definition,
    encode_run,
    encode_state,
)
from deployments.schedules.transitions import MAX_OPEN, Step, cancel_run, pause, redefine, run_now, unpause
from store import Store, StoreUnavailable
from store.feed.entry import Notice
from store.registries.schedules import ScheduleRecord

MAX_SCHEDULES = 1_000
"""Of one owner."""
MAX_TRIES = 20
"""How often a change is made anew because another one came first."""

Transition = Callable[[Schedule], Step]


class ScheduleClient:
    """One per process. Every call may raise `store.StoreUnavailable`, and UnknownSchedule if it names one."""

    def __init__(
        self,
        store: Store,
        *,
        clock: Callable[[], int] = now_ms,
        most: int = MAX_SCHEDULES,
        recorder: Recorder | None = None,
    ) -> None:
        self._store = store
        self._recorder = recorder or Recorder()
        self._clock = clock
        self._most = most

    async def create(self, owner: str, definition: Definition, client_id: str | None = None) -> Schedule:
        """Make a schedule, due from now on; the same `client_id` of an owner again is the same schedule, as it is.

        Raises TooManySchedules.
        """
        now = self._clock()
        named = hashlib.sha256("\0".join((owner, client_id or "")).encode()).hexdigest()[:32]
        schedule_id = uuid.uuid4().hex if client_id is None else named
        state = ScheduleState(decided=now)
        record = ScheduleRecord(schedule_id, owner, encode_definition(definition), encode_state(state), now)
        if (known := await self._store.schedules.get(schedule_id)) is not None:
            return decode_schedule(known)
        if not await self._store.schedules.enter(record, self._most, speaks_to=definition.conversation):
            raise TooManySchedules(self._most)
        schedule = Schedule(record, definition, state)
        notice = _changed(schedule, "created", owner)
        await self._store.schedules.commit(record, now, look_at=schedule.look_at(), notices=(notice,))
        return await self.get(schedule_id)

    async def get(self, schedule_id: str) -> Schedule:
        record = await self._store.schedules.get(schedule_id)
        if record is None:
            raise UnknownSchedule(schedule_id)
        return decode_schedule(record)

    async def list(
        self, owner: str | None, *, limit: int, before: tuple[int, str] | None = None, tenant: str | None = None
    ) -> tuple[builtins.list[Schedule], tuple[int, str] | None]:
        """A page of an owner's schedules, else of a tenant's, else of all; the newest first.

        And where the next page begins.
        """
        found, following = await self._store.schedules.list(
            owner, limit=limit, before=before, tenant=tenant, now=self._clock()
        )
        return [decode_schedule(record) for record in found], following

    async def change(self, schedule_id: str, changes: Mapping[str, Any], by: str) -> Schedule:
        """Change some fields of its definition. Raises pydantic's ValidationError if they do not go together."""
        before = await self.get(schedule_id)
        definition = before.definition.with_changes(changes)
        speaks_to, spoke_to = definition.conversation, before.definition.conversation
        if speaks_to is not None:
            await self._store.schedules.enter(before.record, self._most, speaks_to=speaks_to)

        def transition(schedule: Schedule) -> Step:
            return redefine(schedule, _redefined(schedule, changes), self._clock())

        after = await self._commit(schedule_id, transition, "changed", by, changes)
        if spoke_to is not None and spoke_to != after.definition.conversation:
            await self._store.schedules.enter(before.record, self._most, no_more_to=spoke_to)
        return after

    async def pause(self, schedule_id: str, by: str) -> Schedule:
        """Have nothing run until it is resumed; a run under way goes on."""
        return await self._commit(schedule_id, pause, "paused", by)

    async def resume(self, schedule_id: str, by: str) -> Schedule:
        """Let it go on; what was due meanwhile is not made up for."""
        return await self._commit(schedule_id, lambda schedule: unpause(schedule, self._clock()), "resumed", by)

    async def run_now(self, schedule_id: str, client_id: str | None = None) -> Run:
        """One more run at once; the same `client_id` again is the same run. Raises TooManyRuns."""
        digest = hashlib.sha256((client_id or uuid.uuid4().hex).encode()).hexdigest()[:24]
        run_id = f"now-{digest}"
        if (known := await self.find_run(schedule_id, run_id)) is not None:
            return known

        def transition(schedule: Schedule) -> Step:
            if schedule.state.run(run_id) is not None:
                return Step(schedule.state)
            if len(schedule.state.runs) >= MAX_OPEN:
                raise TooManyRuns(MAX_OPEN)
            return run_now(schedule, run_id, self._clock())

        after = await self.commit(schedule_id, transition)
        run = after.state.run(run_id)
        assert run is not None
        return run

    async def cancel_run(self, schedule_id: str, run_id: str) -> Run | None:
        """Have a run end, if it is not over: then it is soon. None: there is no such run."""
        await self.commit(schedule_id, lambda schedule: cancel_run(schedule, run_id, self._clock()))
        return await self.find_run(schedule_id, run_id)

    async def find_run(self, schedule_id: str, run_id: str) -> Run | None:
        """A run, if there was one, and it is still kept."""
        schedule = await self.get(schedule_id)
        if (run := schedule.state.run(run_id)) is not None:
            return run
        data = await self._store.schedules.ended_run(schedule_id, run_id)
        return None if data is None else decode_run(data)

    async def history(
        self, schedule_id: str, *, limit: int, before: tuple[int, str] | None = None
    ) -> tuple[builtins.list[Run], tuple[int, str] | None]:
        """A page of the runs that are over, the newest first; and where the next page begins."""
        ended, following = await self._store.schedules.ended_runs(schedule_id, limit=limit, before=before)
        return [decode_run(run.data) for run in ended], following

    async def delete(self, schedule_id: str, by: str) -> None:
        """Delete it with its history; its conversations, and a run under way, stay."""
        schedule = await self.get(schedule_id)
        notice = _changed(schedule, "deleted", by)
        await self._store.schedules.delete(schedule.record, self._clock(), (notice,), schedule.definition.conversation)

    async def commit(self, schedule_id: str, transition: Transition) -> Schedule:
        """Make a transition of the schedule as it is now; the schedule as it is then."""
        schedule, _ = await self.commit_step(schedule_id, transition)
        return schedule

    async def commit_step(
        self, schedule_id: str, transition: Transition, *, always: bool = False
    ) -> tuple[Schedule, Step]:
        """The same, and the step that was committed. `always`: also one that changes nothing but when to look again."""
        for _ in range(MAX_TRIES):
            schedule = await self.get(schedule_id)
            step = transition(schedule)
            if step == Step(schedule.state) and not always:
                return schedule, step
            if await self._write(schedule, schedule.definition, step):
                return Schedule(schedule.record, schedule.definition, step.state), step
        raise StoreUnavailable(f"schedule {schedule_id} is changed by others all the time")

    async def _commit(
        self,
        schedule_id: str,
        transition: Transition,
        change: Change,
        by: str,
        changes: Mapping[str, Any] | None = None,
    ) -> Schedule:
        """A transition that a person asks for, and of which the feed is told; with changes of the definition."""
        for _ in range(MAX_TRIES):
            schedule = await self.get(schedule_id)
            step = transition(schedule)
            definition = schedule.definition.with_changes(changes or {})
            if step == Step(schedule.state) and definition == schedule.definition:
                return schedule
            step = replace(step, notices=(*step.notices, _changed(schedule, change, by)))
            if await self._write(schedule, definition, step):
                return Schedule(schedule.record, definition, step.state)
        raise StoreUnavailable(f"schedule {schedule_id} is changed by others all the time")

    async def _write(self, schedule: Schedule, definition: Definition, step: Step) -> bool:
        after = Schedule(schedule.record, definition, step.state)
        record = replace(schedule.record, definition=encode_definition(definition), state=encode_state(step.state))
        is_written = await self._store.schedules.commit(
            record,
            self._clock(),
            look_at=after.look_at(),
            ended=[encode_run(run) for run in step.ended],
            notices=step.notices,
        )
        if is_written:
            self._record(schedule.state, step)
        return is_written

    def _record(self, before: ScheduleState, step: Step) -> None:
        """Count what the step has changed: runs that are over, due times left out, runs that have begun."""
        for run in step.ended:
            self._recorder.count(table.SCHEDULE_RUNS, run.state)
        for run in (*step.state.runs, *step.ended):
            known = before.run(run.id)
            if known is None and run.skipped:
                self._recorder.count(table.SCHEDULE_RUNS, "skipped", by=run.skipped)
            if run.cause == "due" and run.started_at is not None and (known is None or known.started_at is None):
                self._recorder.observe(table.SCHEDULE_LATE_SECONDS, max(0, run.started_at - run.due_at) / 1000)


def _redefined(schedule: Schedule, changes: Mapping[str, Any]) -> Schedule:
    return Schedule(schedule.record, schedule.definition.with_changes(changes), schedule.state)


def _changed(schedule: Schedule, change: Change, by: str) -> Notice:
    return "schedule_changed", {"name": schedule.definition.name, "change": change, "by": by}

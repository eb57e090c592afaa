"""What becomes of a schedule when time passes, a run begins or ends, or a person acts: pure; the time is an argument.

Every transition gives the next state, what is over by it, and what the feed is told. It takes effect when it is
committed against the revision that it was made from, and what has an outside effect is read from the committed state.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from deployments.schedules.plan import after_run, plan, resume, start_waiting
from deployments.schedules.state import NO_USAGE, Run, RunState, Schedule, ScheduleState
from store.feed.entry import Notice

MAX_OPEN: Final = 100
"""Runs of one schedule that are not over: a due time that would be one more is left out."""
CLAIM_MS: Final = 20_000
"""For so long a process that starts or ends a run is left to it; if it has died, another does it again."""
MAX_PAUSE_MS: Final = 60_000
MAX_START_MS: Final = 3_600_000
"""A run that could not be begun for so long has failed."""
MIN_LOOK_MS: Final = 2_000
MAX_AGENT_LOOK_MS: Final = 300_000
"""How often a run of an agent is looked at, should the entry of the feed be lost that says how it ended."""
MAX_JOB_LOOK_MS: Final = 15_000
"""How often a run that is a job is looked at: jobs are not in the feed."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run goes, as its conversation or its job says."""

    state: RunState
    result: str | None = None
    error: str | None = None
    quiet: bool = False
    usage: Mapping[str, int] = field(default_factory=dict)
    cost: int | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """The next state; the runs that are over by it; what the feed is told. `claimed` are to be started or ended now."""

    state: ScheduleState
    ended: tuple[Run, ...] = ()
    notices: tuple[Notice, ...] = ()
    claimed: tuple[str, ...] = ()


def tend(schedule: Schedule, outcomes: Mapping[str, Outcome], now: int) -> Step:
    """What is to be done now: note how runs went, decide about the due times that have passed, claim what to start."""
    step = Step(schedule.state)
    for run_id, outcome in outcomes.items():
        step = _after(step, note_outcome(replace_state(schedule, step.state), run_id, outcome, now))
    waiting, first = start_waiting(step.state.for_plan)
    if first is not None:
        step = replace(step, state=_with_runs(replace(step.state, waiting=waiting.waiting), [_due_run(first, now)]))
    step = _after(step, _decide(replace_state(schedule, step.state), now))
    runs = tuple(_claim(run, now) if _needs_effect(run, now) else run for run in step.state.runs)
    claimed = tuple(run.id for run in step.state.runs if _needs_effect(run, now))
    return replace(step, state=replace(step.state, runs=runs), claimed=claimed)


def note_outcome(schedule: Schedule, run_id: str, outcome: Outcome, now: int) -> Step:
    """A run goes on, or is over; one that is over already changes nothing."""
    run = schedule.state.run(run_id)
    if run is None:
        return Step(schedule.state)
    if outcome.state == "starting":
        return Step(schedule.state)
    if outcome.state in ("running", "awaiting_input"):
        look_at = run.look_at if run.is_ending else max(run.look_at, now + _look_again(run, now))
        seen = replace(run, state=outcome.state, look_at=look_at)
        return Step(_with_run(schedule.state, seen))
    over = replace(
        run,
        state=outcome.state,
        finished_at=now,
        result=outcome.result,
        error=outcome.error,
        quiet=outcome.quiet,
        usage=dict(outcome.usage),
        cost=outcome.cost,
    )
    others = tuple(other for other in schedule.state.runs if other.id != run_id)
    state = replace(schedule.state, runs=others, last=replace(over, result=None))
    notices: list[Notice] = [("schedule_run_ended", _ended_notice(schedule, over))]
    if run.is_superseded or outcome.state == "cancelled":  # what people have ended says nothing of the schedule
        return Step(state, (over,), tuple(notices))
    counted, pauses = after_run(schedule.rules, state.for_plan, failed=outcome.state == "failed")
    state = replace(state, failures=counted.failures, paused="failures" if pauses else state.paused)
    if pauses:
        notices.append(("schedule_paused", {"name": schedule.definition.name, "failures": counted.failures}))
    return Step(state, (over,), tuple(notices))


def note_started(schedule: Schedule, run_id: str, now: int, **where: Any) -> Step:  # noqa: ANN401 - fields of Run
    """Its conversation or its job has the run: `where` are those fields."""
    run = schedule.state.run(run_id)
    if run is None or run.state != "starting":
        return Step(schedule.state)
    started = replace(run, state="running", started_at=now, look_at=now + MIN_LOOK_MS, tries=0, error=None, **where)
    told = {"name": schedule.definition.name, **_of_run(started)}
    return Step(_with_run(schedule.state, started), notices=(("schedule_run_started", told),))


def note_failed_effect(schedule: Schedule, run_id: str, error: str, now: int, *, is_final: bool) -> Step:
    """It could not be started, or ended: later again, unless that is final, or has been tried for too long."""
    run = schedule.state.run(run_id)
    if run is None:
        return Step(schedule.state)
    if run.state == "starting" and (is_final or now - run.decided_at > MAX_START_MS):
        return note_outcome(schedule, run_id, Outcome("failed", error=error), now)
    pause = min(1000 * 2 ** min(run.tries, 10), MAX_PAUSE_MS)
    waiting = replace(run, look_at=now + pause, error=error if run.state == "starting" else run.error)
    return Step(_with_run(schedule.state, waiting))


def note_ending(schedule: Schedule, run_id: str, now: int) -> Step:
    """Its conversation or its job has been told to end."""
    run = schedule.state.run(run_id)
    if run is None or not run.is_ending:
        return Step(schedule.state)
    return Step(_with_run(schedule.state, replace(run, is_ending=False, tries=0, look_at=now + MIN_LOOK_MS)))


def run_now(schedule: Schedule, run_id: str, now: int) -> Step:
    """One more run, whatever is due, runs, or is paused."""
    return Step(_with_runs(schedule.state, [replace(_due_run(now, now), id=run_id, cause="person")]))


def cancel_run(schedule: Schedule, run_id: str, now: int) -> Step:
    """End a run; one that has not begun is over at once."""
    run = schedule.state.run(run_id)
    if run is None:
        return Step(schedule.state)
    if run.state == "starting" and run.tries == 0:
        return note_outcome(schedule, run_id, Outcome("cancelled"), now)
    return Step(_with_run(schedule.state, replace(run, is_ending=True, look_at=now)))


def pause(schedule: Schedule) -> Step:
    """Nothing is due until it is resumed; what runs goes on."""
    return Step(replace(schedule.state, paused=schedule.state.paused or "person"))


def unpause(schedule: Schedule, now: int) -> Step:
    """It goes on: what was due while it was paused is not made up for."""
    state = schedule.state
    if state.paused is None:
        return Step(state)
    going_on = resume(state.for_plan, now - schedule.shift)
    return Step(replace(state, paused=None, failures=going_on.failures, decided=going_on.decided))


def redefine(before: Schedule, changed: Schedule, now: int) -> Step:
    """Another definition; with another timing, what is due is counted from now on."""
    state = changed.state
    if (before.rules.timing, before.rules.bounds) == (changed.rules.timing, changed.rules.bounds):
        return Step(state)
    return Step(replace(state, decided=max(state.decided, now - changed.shift), waiting=()))


def replace_state(schedule: Schedule, state: ScheduleState) -> Schedule:
    return Schedule(schedule.record, schedule.definition, state)


def _decide(schedule: Schedule, now: int) -> Step:
    """The due times that have passed by now, by the schedule's own clock, which the jitter sets back."""
    state = schedule.state
    found = plan(schedule.rules, state.for_plan, now - schedule.shift)
    if found.state == state.for_plan:
        return Step(state)
    room = MAX_OPEN - len(state.runs)
    start, left_out = found.start[:room], len(found.start[room:])
    step = Step(state)
    for run in state.runs if found.cancel_older else ():
        superseded = replace(run, is_superseded=True)
        step = _after(step, cancel_run(replace_state(schedule, _with_run(step.state, superseded)), run.id, now))
    skipped = state.skipped + found.skipped + left_out
    after = replace(step.state, decided=found.state.decided, waiting=found.state.waiting, skipped=skipped)
    return replace(step, state=_with_runs(after, [_due_run(due, now) for due in start]))


def _after(step: Step, later: Step) -> Step:
    return Step(later.state, step.ended + later.ended, step.notices + later.notices)


def _due_run(due_at: int, now: int) -> Run:
    return Run(str(due_at), due_at, decided_at=now, look_at=now)


def _needs_effect(run: Run, now: int) -> bool:
    return run.look_at <= now and (run.state == "starting" or run.is_ending)


def _claim(run: Run, now: int) -> Run:
    return replace(run, look_at=now + CLAIM_MS, tries=run.tries + 1)


def _look_again(run: Run, now: int) -> int:
    """The longer it runs, the less often it is looked at."""
    most = MAX_JOB_LOOK_MS if run.job is not None else MAX_AGENT_LOOK_MS
    return max(MIN_LOOK_MS, min(most, now - (run.started_at or now)))


def _with_runs(state: ScheduleState, runs: Sequence[Run]) -> ScheduleState:
    """The first of them says what was left out before."""
    if not runs:
        return state
    first, *others = runs
    return replace(state, runs=(*state.runs, replace(first, skipped=state.skipped), *others), skipped=0)


def _with_run(state: ScheduleState, changed: Run) -> ScheduleState:
    return replace(state, runs=tuple(changed if run.id == changed.id else run for run in state.runs))


def _of_run(run: Run) -> dict[str, Any]:
    return {"run": run.id, "due_at": run.due_at, "conversation": run.conversation, "job": run.job}


def _ended_notice(schedule: Schedule, run: Run) -> dict[str, Any]:
    return {
        "name": schedule.definition.name,
        **_of_run(run),
        "outcome": run.state,
        "error": run.error,
        "quiet": run.quiet,
        "usage": run.usage or NO_USAGE,
        "cost": run.cost,
    }

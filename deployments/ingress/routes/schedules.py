"""Schedules: people make and run their own, admins those of their tenant, operators all; and how their runs went."""

from dataclasses import asdict
from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import ValidationError

from agents.clock import now_ms
from agents.errors import UnknownAgent
from deployments.access.conversations import require_scope
from deployments.access.principal import Principal
from deployments.ingress.bodies import body_schema
from deployments.ingress.body_reader import read_body, read_optional_body
from deployments.ingress.dependencies import Dependencies, Deps, principal_of
from deployments.ingress.owned import Whose, list_for, may_see, require_seen
from deployments.ingress.problems import BODY_PROBLEMS, Problem, openapi_problems
from deployments.schedules.definition import Definition, NewSchedule, RunNow, ScheduleChanges, Timetable
from deployments.schedules.due_times import due_between
from deployments.schedules.errors import TooManyRuns, TooManySchedules, UnknownSchedule
from deployments.schedules.plan import Rules
from deployments.schedules.runs import may_speak_to
from deployments.schedules.state import Run, Schedule
from deployments.work.job_type import JOB_TYPES

router = APIRouter(prefix="/v1/schedules", tags=["schedules"])

ScheduleId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]
RunId = Annotated[str, Path(pattern=r"^[0-9a-z-]{1,64}$")]
Cursor = Annotated[str | None, Query(pattern=r"^[0-9]{1,15}:[0-9a-z-]{1,64}$")]
Limit = Annotated[int, Query(ge=1, le=200)]
NEXT_TIMES = 5
MAX_BODY_BYTES = 256 * 1024
MAX_TIME = 10**14
CHUNK, MAX_CHUNKS = 100, 20
"""How many schedules are looked at together, and how often, for one page."""
UNTOLD = frozenset({"look_at", "tries", "is_ending", "seq", "decided_at"})
SCHEDULE_PROBLEMS = ("unknown_schedule", "invalid_request", "not_allowed", "store_unavailable")
CONTENT_PROBLEMS = (*BODY_PROBLEMS, "unknown_agent", "unknown_model", "unknown_job_type", "unknown_conversation")
"""Why what is to run cannot."""


@router.get("", responses=openapi_problems("invalid_request", "not_allowed", "store_unavailable"))
async def list_schedules(
    request: Request, deps: Deps, whose: Whose = "own", limit: Limit = 50, cursor: Cursor = None
) -> dict[str, Any]:
    """Schedules, the newest first. `next` is the cursor of the next page, null at the end."""
    principal = principal_of(request)
    require_scope(principal, "read")
    before = _position(cursor)
    wanted: list[Schedule] = []
    for _ in range(MAX_CHUNKS):
        found, before = await deps.schedules.list(limit=CHUNK, before=before, **list_for(principal, whose))
        wanted += [schedule for schedule in found if may_see(principal, schedule.owner)]
        if before is None or len(wanted) >= limit:
            break
    if len(wanted) > limit:
        del wanted[limit:]
        before = (wanted[-1].record.created_at, wanted[-1].id)
    return {"schedules": [_body(schedule) for schedule in wanted], "next": before and f"{before[0]}:{before[1]}"}


@router.post(
    "",
    status_code=201,
    openapi_extra=body_schema(NewSchedule),
    responses=openapi_problems(*CONTENT_PROBLEMS, "too_many_schedules", "not_allowed", "store_unavailable"),
)
async def create(request: Request, deps: Deps) -> dict[str, Any]:
    """Make a schedule, due from now on. The same `client_id` again is the same schedule, as it is now."""
    principal = principal_of(request)
    require_scope(principal, "write")
    wanted = await read_body(request, NewSchedule, deps.limits, MAX_BODY_BYTES)
    definition = Definition.model_validate(wanted.model_dump(exclude={"client_id"}, exclude_unset=True))
    if definition.prompt is not None and definition.agent is None and definition.conversation is None:
        definition = definition.model_copy(update={"agent": deps.catalog.default})
    await _check_content(deps, principal, principal.id, definition)
    try:
        return _body(await deps.schedules.create(principal.id, definition, wanted.client_id))
    except TooManySchedules as error:
        raise Problem("too_many_schedules", f"{str(error).capitalize()}.") from error


@router.post(
    "/preview", openapi_extra=body_schema(Timetable), responses=openapi_problems(*BODY_PROBLEMS, "not_allowed")
)
async def preview(request: Request, deps: Deps) -> dict[str, Any]:
    """The next five due times (ms) of a schedule that is not made yet."""
    require_scope(principal_of(request), "read")
    wanted = await read_body(request, Timetable, deps.limits)
    now = now_ms()
    return {"next": _next_times(wanted.definition().rules(now), now)}


@router.get("/{schedule_id}", responses=openapi_problems(*SCHEDULE_PROBLEMS))
async def get(schedule_id: ScheduleId, request: Request, deps: Deps) -> dict[str, Any]:
    """One schedule, with its next five due times (ms) and its runs that are not over."""
    require_scope(principal_of(request), "read")
    return _body(await _find(deps, request, schedule_id))


@router.patch(
    "/{schedule_id}",
    openapi_extra=body_schema(ScheduleChanges),
    responses=openapi_problems(*SCHEDULE_PROBLEMS, *CONTENT_PROBLEMS),
)
async def change(schedule_id: ScheduleId, request: Request, deps: Deps) -> dict[str, Any]:
    """Change some of its fields; null takes one away. With another timing, what is due counts from now on."""
    schedule = await _find_to_change(deps, request, schedule_id)
    principal = principal_of(request)
    changes = (await read_body(request, ScheduleChanges, deps.limits, MAX_BODY_BYTES)).model_dump(exclude_unset=True)
    try:
        after = schedule.definition.with_changes(changes)
        await _check_content(deps, principal, schedule.owner, after, schedule.definition)
        return _body(await deps.schedules.change(schedule_id, changes, principal.id))
    except ValidationError as error:
        raise Problem("invalid_request", f"body: {error.errors()[0]['msg']}") from error


@router.delete("/{schedule_id}", status_code=204, responses=openapi_problems(*SCHEDULE_PROBLEMS))
async def delete(schedule_id: ScheduleId, request: Request, deps: Deps) -> Response:
    """Delete it with its history. The conversations of its runs stay, and a run under way goes on."""
    await _find_to_change(deps, request, schedule_id)
    await deps.schedules.delete(schedule_id, principal_of(request).id)
    return Response(status_code=204)


@router.post("/{schedule_id}/pause", responses=openapi_problems(*SCHEDULE_PROBLEMS))
async def pause(schedule_id: ScheduleId, request: Request, deps: Deps) -> dict[str, Any]:
    """Have nothing run until it is resumed; a run under way goes on."""
    await _find_to_change(deps, request, schedule_id)
    return _body(await deps.schedules.pause(schedule_id, principal_of(request).id))


@router.post("/{schedule_id}/resume", responses=openapi_problems(*SCHEDULE_PROBLEMS))
async def resume(schedule_id: ScheduleId, request: Request, deps: Deps) -> dict[str, Any]:
    """Let it go on. What was due while it was paused is not made up for."""
    await _find_to_change(deps, request, schedule_id)
    return _body(await deps.schedules.resume(schedule_id, principal_of(request).id))


@router.post(
    "/{schedule_id}/runs",
    status_code=202,
    openapi_extra=body_schema(RunNow, required=False),
    responses=openapi_problems(*SCHEDULE_PROBLEMS, *BODY_PROBLEMS, "too_many_runs"),
)
async def run_now(schedule_id: ScheduleId, request: Request, deps: Deps) -> dict[str, Any]:
    """One more run at once, whatever is due or runs. The same `client_id` again is the same run."""
    await _find_to_change(deps, request, schedule_id)
    body = await read_optional_body(request, RunNow, deps.limits)
    try:
        return _run_body(await deps.schedules.run_now(schedule_id, body.client_id))
    except TooManyRuns as error:
        raise Problem("too_many_runs", f"{str(error).capitalize()}.") from error


@router.get("/{schedule_id}/runs", responses=openapi_problems(*SCHEDULE_PROBLEMS))
async def list_runs(
    schedule_id: ScheduleId, request: Request, deps: Deps, limit: Limit = 50, cursor: Cursor = None
) -> dict[str, Any]:
    """The runs, the newest first: on the first page the ones under way, then the ones that are over.

    Of the runs that are over the last 200 are kept. `next` is the cursor of the next page, null at the end.
    """
    require_scope(principal_of(request), "read")
    schedule = await _find(deps, request, schedule_id)
    ended, following = await deps.schedules.history(schedule_id, limit=limit, before=_position(cursor))
    under_way = () if cursor else reversed(schedule.state.runs)
    runs = [_run_body(run) for run in (*under_way, *ended)]
    return {"runs": runs, "next": following and f"{following[0]}:{following[1]}"}


@router.get("/{schedule_id}/runs/{run_id}", responses=openapi_problems(*SCHEDULE_PROBLEMS, "unknown_run"))
async def get_run(schedule_id: ScheduleId, run_id: RunId, request: Request, deps: Deps) -> dict[str, Any]:
    """One run."""
    require_scope(principal_of(request), "read")
    await _find(deps, request, schedule_id)
    return _run_body(_known(await deps.schedules.find_run(schedule_id, run_id), run_id))


@router.post(
    "/{schedule_id}/runs/{run_id}/cancel",
    status_code=202,
    responses=openapi_problems(*SCHEDULE_PROBLEMS, "unknown_run"),
)
async def cancel_run(schedule_id: ScheduleId, run_id: RunId, request: Request, deps: Deps) -> dict[str, Any]:
    """Have a run end; one that is over already stays as it is."""
    await _find_to_change(deps, request, schedule_id)
    return _run_body(_known(await deps.schedules.cancel_run(schedule_id, run_id), run_id))


async def _check_content(
    deps: Dependencies, principal: Principal, owner: str, wanted: Definition, before: Definition | None = None
) -> None:
    """Raises for what could not run, or not on behalf of `owner`: better now than when it is due."""
    if wanted.job is not None:
        _check_job(principal, wanted, before)
        return
    agent_name = wanted.agent
    if wanted.conversation is not None:
        meta = await deps.access.get(principal, wanted.conversation, "write")
        if not may_speak_to(owner, meta):
            raise Problem("invalid_request", "body.conversation: it is one that the owner of the schedule writes to.")
        agent_name = meta.agent
    elif agent_name not in deps.catalog.agents:
        raise UnknownAgent(str(agent_name))
    if wanted.model is not None and wanted.model not in deps.catalog.get(str(agent_name)).models:
        raise Problem("unknown_model", f"The agent has no model {wanted.model!r}.")


def _check_job(principal: Principal, wanted: Definition, before: Definition | None) -> None:
    kind = JOB_TYPES.get(str(wanted.job))
    is_new = before is None or (before.job, before.payload) != (wanted.job, wanted.payload)
    if kind is None or (is_new and not (kind.schedulable or principal.acts_as("operator"))):
        raise Problem("unknown_job_type", f"There is no job {wanted.job!r} that you may schedule.")
    try:
        kind.payload.model_validate(wanted.payload_for(now_ms()))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in ("body", "payload", *first["loc"]))
        raise Problem("invalid_request", f"{place}: {first['msg']}") from error


async def _find(deps: Dependencies, request: Request, schedule_id: str) -> Schedule:
    try:
        schedule = await deps.schedules.get(schedule_id)
    except UnknownSchedule:
        schedule = None
    return require_seen(request, schedule, "unknown_schedule", f"There is no schedule {schedule_id}.")


async def _find_to_change(deps: Dependencies, request: Request, schedule_id: str) -> Schedule:
    schedule = await _find(deps, request, schedule_id)
    require_scope(principal_of(request), "write")
    return schedule


def _known(run: Run | None, run_id: str) -> Run:
    if run is None:
        raise Problem("unknown_run", f"There is no run {run_id}, or it is not kept any more.")
    return run


def _position(cursor: str | None) -> tuple[int, str] | None:
    at, _, last = (cursor or "").partition(":")
    return (int(at), last) if cursor else None


def _next_times(rules: Rules, after: int) -> list[int]:
    return list(islice(due_between(rules.timing, after, MAX_TIME, rules.bounds), NEXT_TIMES))


def _body(schedule: Schedule) -> dict[str, Any]:
    """A schedule as the API shows it."""
    state, record = schedule.state, schedule.record
    is_over = schedule.next_due() is None and not state.runs and not state.waiting
    return {
        "id": schedule.id,
        "owner": schedule.owner,
        **schedule.definition.model_dump(),
        "state": "paused" if state.paused else "over" if is_over else "active",
        "paused_by": state.paused,
        "failures": state.failures,
        "skipped": state.skipped,
        "next": [] if state.paused else _next_times(schedule.rules, state.decided),
        "waiting": state.waiting,
        "runs": [_run_body(run) for run in state.runs],
        "last": None if state.last is None else _run_body(state.last),
        "created_at": record.created_at,
        "updated_at": record.updated_at,
    }


def _run_body(run: Run) -> dict[str, Any]:
    """A run as the API shows it."""
    return {name: value for name, value in asdict(run).items() if name not in UNTOLD}

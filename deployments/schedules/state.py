"""How far a schedule is: what is decided, and its runs that are not over; as values, and as the store keeps them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import Any, Final, Literal

import orjson

from deployments.schedules.definition import Definition
from deployments.schedules.due_times import next_due
from deployments.schedules.plan import Rules, State
from store.registries.schedules import EndedRun, ScheduleRecord

RunState = Literal["starting", "running", "awaiting_input", "succeeded", "failed", "cancelled"]
OPEN_STATES: Final[tuple[RunState, ...]] = ("starting", "running", "awaiting_input")
NO_USAGE: Final[Mapping[str, int]] = {}


@dataclass(frozen=True, slots=True)
class Run:
    """One run. Times are ms; `due_at` is the due time that it is for, or when a person asked for it.

    `starting`: it is decided on, and its conversation or job may not have it yet. At `look_at` it is started, ended or
    looked at. `is_ending`: it is to be cancelled. `is_superseded`: a later run has taken its place, so it holds up no
    other, and how it ends counts no more. `skipped` is how many due times were left out since the run before. `result`
    is the beginning of the answer, `error` a sentence for people, `quiet` whether the answer is no news. `usage` are
    tokens by kind, `cost` millionths of a US dollar.
    """

    id: str
    due_at: int
    state: RunState = "starting"
    cause: Literal["due", "person"] = "due"
    decided_at: int = 0
    look_at: int = 0
    tries: int = 0
    is_ending: bool = False
    is_superseded: bool = False
    started_at: int | None = None
    finished_at: int | None = None
    conversation: str | None = None
    seq: int | None = None
    turn: int | None = None
    job: str | None = None
    result: str | None = None
    error: str | None = None
    quiet: bool = False
    usage: Mapping[str, int] = field(default_factory=dict)
    cost: int | None = None
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class ScheduleState:
    """Due times up to `decided` (ms) are decided; those in `waiting` run when the run before is over.

    `failures` counts the failed runs in a row, `skipped` the due times that were left out since the last run. `paused`
    says who has paused it: a person, or its failures. `runs` are the ones under way, `last` is the one that ended last,
    without its result.
    """

    decided: int
    waiting: tuple[int, ...] = ()
    failures: int = 0
    skipped: int = 0
    paused: Literal["person", "failures"] | None = None
    runs: tuple[Run, ...] = ()
    last: Run | None = None

    @property
    def for_plan(self) -> State:
        """What the rules need to know of it."""
        running = sum(not run.is_superseded for run in self.runs)
        return State(self.decided, self.waiting, running, self.failures, self.paused is not None)

    def run(self, run_id: str) -> Run | None:
        """The run of this id, if it is not over."""
        return next((run for run in self.runs if run.id == run_id), None)


@dataclass(frozen=True)
class Schedule:
    """A schedule as it was read: `record` has its revision."""

    record: ScheduleRecord
    definition: Definition
    state: ScheduleState

    @property
    def id(self) -> str:
        return self.record.id

    @property
    def owner(self) -> str:
        return self.record.owner

    @cached_property
    def rules(self) -> Rules:
        return self.definition.rules(self.record.created_at)

    @cached_property
    def shift(self) -> int:
        """How long (ms) after a due time its run begins."""
        return self.definition.shift(self.id)

    def next_due(self) -> int | None:
        """The first due time that is not decided, also of one that is paused; None: there is none."""
        return next_due(self.rules.timing, self.state.decided, self.rules.bounds)

    def look_at(self) -> int | None:
        """When (ms) there is something to be done; None: never, as it stands."""
        times = [run.look_at for run in self.state.runs]
        if self.state.paused is None:
            due = self.next_due()
            times += [] if due is None else [due + self.shift]
            if self.state.waiting and not self.state.for_plan.running:
                times.append(self.state.decided)
        return min(times, default=None)


def decode_schedule(record: ScheduleRecord) -> Schedule:
    """The schedule of a record; fields of other code are left out."""
    known = orjson.loads(record.state)
    runs = tuple(_decode_run(run) for run in known.get("runs", ()))
    state = {name: known[name] for name in STATE_FIELDS if name in known}
    last = None if known.get("last") is None else _decode_run(known["last"])
    state.update(runs=runs, waiting=tuple(known.get("waiting", ())), last=last)
    definition = {name: value for name, value in orjson.loads(record.definition).items() if name in DEFINED}
    # What was once valid may be none of today's: a zone can be gone. Then its runs say so, and people can change it.
    return Schedule(record, Definition.model_validate(definition), ScheduleState(**state))


def encode_definition(definition: Definition) -> bytes:
    return definition.model_dump_json(exclude_none=True).encode()


def encode_state(state: ScheduleState) -> bytes:
    return orjson.dumps(asdict(state))


def encode_run(run: Run) -> EndedRun:
    """A run that is over."""
    return EndedRun(run.id, run.finished_at or 0, orjson.dumps(asdict(run)))


def decode_run(data: bytes) -> Run:
    """A run that is over, as it was kept."""
    return _decode_run(orjson.loads(data))


def _decode_run(known: Mapping[str, Any]) -> Run:
    return Run(**{name: known[name] for name in RUN_FIELDS if name in known})


RUN_FIELDS: Final = tuple(one.name for one in fields(Run))
STATE_FIELDS: Final = tuple(one.name for one in fields(ScheduleState))
DEFINED: Final = frozenset(Definition.model_fields)

"""What a person says of a schedule: when it is due, what runs, and by which rules; checked as it is written."""

import hashlib
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, model_validator

from agents.storable import storage_problem
from deployments.schedules.due_times import Bounds, Cron, Interval, Timing
from deployments.schedules.plan import Missed, Overlap, Rules

Change = Literal["created", "changed", "paused", "resumed", "deleted"]

MAX_PROMPT_CHARACTERS: Final = 32_000
MAX_PAYLOAD_BYTES: Final = 65_536
DAY_SECONDS: Final = 86_400
MAX_SECONDS: Final = 366 * DAY_SECONDS
PLACEHOLDER: Final = re.compile(r"\{\{\s*([a-z_.]+)\s*\}\}")
SHORT: Final = {
    "due": "due.datetime",
    "date": "due.date",
    "time": "due.time",
    "zone": "due.zone",
    "name": "schedule.name",
}
"""What a prompt may say of its run, in short and in full. A payload says it in full: what a job gets, such as a batch
with the fields of its rows, may have such names of its own."""
FULL: Final = tuple(SHORT.values())


def _validate_prompt(prompt: str) -> str:
    """Raises ValueError for a placeholder that does not exist: it would stand in every message as it is."""
    for found in PLACEHOLDER.finditer(prompt):
        if SHORT.get(found[1], found[1]) not in FULL:
            raise ValueError(f"{found[0]} stands for nothing; there are {', '.join(SHORT)}")
    return prompt


def _validate_payload(payload: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Raises ValueError for what looks like one of ours, and is none."""

    def check(found: re.Match[str]) -> str:
        if found[1].startswith(("due.", "schedule.")) and found[1] not in FULL:
            raise ValueError(f"{found[0]} stands for nothing; there are {', '.join(FULL)}")
        return ""

    _fill(payload, check)
    return payload


def _validate_visible(text: str) -> str:
    if not any(found.isprintable() and not found.isspace() for found in text):
        raise ValueError("it has no visible character")
    if (problem := storage_problem(text)) is not None:
        raise ValueError(problem)
    return text


Time = Annotated[int, Field(ge=0, lt=10**14, description="Milliseconds since 1970.")]
Name = Annotated[str, Field(min_length=1, max_length=120), AfterValidator(_validate_visible)]
Prompt = Annotated[
    str,
    Field(min_length=1, max_length=MAX_PROMPT_CHARACTERS),
    AfterValidator(_validate_visible),
    AfterValidator(_validate_prompt),
]
Payload = Annotated[dict[str, JsonValue], AfterValidator(_validate_payload)]
Expression = Annotated[str, Field(min_length=1, max_length=200)]
Seconds = Annotated[int, Field(ge=1, le=MAX_SECONDS)]
Jitter = Annotated[int, Field(ge=0, le=DAY_SECONDS)]
Failures = Annotated[int, Field(ge=0, le=1_000)]
ShortName = Annotated[str, Field(min_length=1, max_length=128)]
ClientId = Annotated[str, Field(min_length=1, max_length=128)]


class Definition(BaseModel):
    """`cron` in the time zone `zone`, or every so many seconds; an agent with a prompt, or a job with a payload.

    The prompt may hold `{{due}}`, `{{date}}`, `{{time}}`, `{{zone}}` and `{{name}}`; the texts in the payload, the same
    in full (see `FULL`).
    Each run of an agent is a conversation of its own, or a message to `conversation`. `jitter` is within how many
    seconds after each due time the runs of this schedule begin: it has a fixed place in them. An answer that is
    exactly `quiet` is no news for its owner; without it, the agent says what counts as that. After `max_failures`
    failed runs in a row the schedule pauses itself; 0: never.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    cron: Expression | None = None
    every: Seconds | None = None
    zone: ShortName = "UTC"
    start: Time | None = None
    end: Time | None = None
    jitter: Jitter = 0
    overlap: Overlap = "skip"
    missed: Missed = "once"
    max_failures: Failures = 10
    agent: ShortName | None = None
    prompt: Prompt | None = None
    conversation: ShortName | None = None
    model: ShortName | None = None
    quiet: ShortName | None = None
    job: ShortName | None = None
    payload: Payload | None = None

    @model_validator(mode="after")
    def _check_together(self) -> "Definition":
        if (self.cron is None) == (self.every is None):
            raise ValueError("say when: either cron or every")
        if (self.prompt is None) == (self.job is None):
            raise ValueError("say what runs: either a prompt or a job")
        if self.prompt is None and any((self.agent, self.conversation, self.model, self.quiet)):
            raise ValueError("agent, conversation, model and quiet go with a prompt")
        if self.job is None and self.payload is not None:
            raise ValueError("a payload goes with a job")
        if self.agent is not None and self.conversation is not None:
            raise ValueError("a conversation has its agent already: name one of the two")
        if self.start is not None and self.end is not None and self.end < self.start:
            raise ValueError("it ends before it starts")
        if len(orjson.dumps(self.payload)) > MAX_PAYLOAD_BYTES:
            raise ValueError(f"the payload has more than {MAX_PAYLOAD_BYTES} bytes")
        Cron(self.cron or "@daily", self.zone)  # BadSchedule is a ValueError, with a sentence for people
        return self

    def with_changes(self, changes: Mapping[str, Any]) -> "Definition":
        """Some fields changed; None takes one away. Raises pydantic's ValidationError."""
        changed = {**self.model_dump(), **changes}
        return Definition.model_validate({name: value for name, value in changed.items() if value is not None})

    def rules(self, made_at: int) -> Rules:
        """The rules of a schedule that was made then (ms): an interval counts from its start, or from that."""
        anchor = made_at if self.start is None else self.start
        timing: Timing = Cron(self.cron, self.zone) if self.cron else Interval(1000 * (self.every or 1), anchor)
        return Rules(timing, Bounds(self.start, self.end), self.overlap, self.missed, self.max_failures)

    def shift(self, schedule_id: str) -> int:
        """How long (ms) after each due time its run begins: the schedule's own place within the jitter."""
        if not self.jitter:
            return 0
        digest = hashlib.sha256(schedule_id.encode()).digest()
        return int.from_bytes(digest[:8], "big") % (1000 * self.jitter + 1)

    def prompt_for(self, due_at: int) -> str:
        """The message of the run that is due then."""
        values = self._values_at(due_at)
        return str(_fill(self.prompt, lambda found: values[SHORT.get(found[1], found[1])]))

    def payload_for(self, due_at: int) -> Mapping[str, Any]:
        """The payload of the job that is due then."""
        values = self._values_at(due_at)
        filled: Any = _fill(self.payload or {}, lambda found: values.get(found[1], found[0]))
        return dict(filled)

    def _values_at(self, due_at: int) -> Mapping[str, str]:
        local = datetime.fromtimestamp(due_at // 1000, UTC).astimezone(ZoneInfo(self.zone))
        values = (local.isoformat(), f"{local:%Y-%m-%d}", f"{local:%H:%M}", self.zone, self.name)
        return dict(zip(FULL, values, strict=True))


def _fill(value: JsonValue, replace: Callable[[re.Match[str]], str]) -> JsonValue:
    """The value with the placeholders of its texts replaced."""
    match value:
        case str():
            return PLACEHOLDER.sub(replace, value)
        case list():
            return [_fill(one, replace) for one in value]
        case dict():
            return {key: _fill(one, replace) for key, one in value.items()}
        case _:
            return value


class NewSchedule(Definition):
    """A schedule to be made; the same `client_id` of a principal again is the same one."""

    client_id: ClientId | None = None


class Timetable(BaseModel):
    """When a schedule would be due."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cron: Expression | None = None
    every: Seconds | None = None
    zone: ShortName = "UTC"
    start: Time | None = None
    end: Time | None = None

    @model_validator(mode="after")
    def _check_together(self) -> "Timetable":
        self.definition()
        return self

    def definition(self) -> Definition:
        """A schedule with these times."""
        return Definition(name="preview", prompt="preview", **self.model_dump())


class ScheduleChanges(BaseModel):
    """Any of the fields of a schedule; null takes one away."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name | None = None
    cron: Expression | None = None
    every: Seconds | None = None
    zone: ShortName | None = None
    start: Time | None = None
    end: Time | None = None
    jitter: Jitter | None = None
    overlap: Overlap | None = None
    missed: Missed | None = None
    max_failures: Failures | None = None
    agent: ShortName | None = None
    prompt: Prompt | None = None
    conversation: ShortName | None = None
    model: ShortName | None = None
    quiet: ShortName | None = None
    job: ShortName | None = None
    payload: Payload | None = None


class RunNow(BaseModel):
    """The same `client_id` again is the same run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    client_id: ClientId | None = None

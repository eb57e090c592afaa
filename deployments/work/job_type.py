"""A type of job: `@job` on one function in one file, and what it says of retries, time and resources."""

import inspect
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args, get_type_hints

from pydantic import BaseModel

Priority = Literal["high", "normal", "low"]
PRIORITIES: Final[tuple[Priority, ...]] = get_args(Priority)
PLACES: Final[Mapping[Priority, int]] = {"high": 8, "normal": 8, "low": 2}
"""Jobs that a worker does at once, by priority: one that is urgent never waits for others."""

FIRST_DELAY_SECONDS: Final = 30.0
MAX_DELAY_SECONDS: Final = 15 * 60.0
JITTER: Final = 0.2
KEPT_SECONDS: Final = 30 * 86_400.0
"""How long a job that is over is kept, unless its type says otherwise."""

Run = Callable[..., Awaitable[BaseModel | None]]
NO_RESOURCES: Final[Mapping[str, Any]] = {}


class JobTypeInvalid(TypeError):
    """A function cannot be a job: the definition is at fault. The sentence says why."""


@dataclass(frozen=True, slots=True)
class JobType:
    """How jobs of a name are done. `timeout` and `kept` are seconds, the latter counts from a job's end.

    `retries` are the attempts after the first that fails. With `resources`, options of a Ray task, the function runs in
    a process of its own, anywhere in the cluster: then it is a plain function of its payload. One that is `schedulable`
    people may have done by a schedule of theirs, with a payload of theirs.
    """

    name: str
    payload: type[BaseModel]
    run: Run
    timeout: float = 300.0
    retries: int = 3
    priority: Priority = "normal"
    kept: float = KEPT_SECONDS
    resources: Mapping[str, Any] = field(default_factory=dict)
    schedulable: bool = False

    @property
    def is_heavy(self) -> bool:
        """Whether it runs as a Ray task."""
        return bool(self.resources)


def retry_delay(attempt: int, dice: Callable[[float, float], float] = random.uniform) -> float:
    """Seconds from a failed attempt, counted from 1, to the next: `min(30 s x 2^n, 15 min)`, a fifth more or less."""
    delay = MAX_DELAY_SECONDS if attempt > 6 else min(FIRST_DELAY_SECONDS * 2 ** (attempt - 1), MAX_DELAY_SECONDS)
    return delay * dice(1 - JITTER, 1 + JITTER)


class JobTypes(dict[str, JobType]):
    """The types that this process knows, by name."""

    def add(self, kind: JobType) -> None:
        """Raises JobTypeInvalid for a name that another function has."""
        known = self.setdefault(kind.name, kind)
        if known.run is not kind.run and _place(known.run) != _place(kind.run):
            raise JobTypeInvalid(f"two functions are the job {kind.name}: {_place(known.run)} and {_place(kind.run)}")


JOB_TYPES: Final = JobTypes()
"""What the modules that this process has imported define."""


def job(
    name: str | None = None,
    *,
    timeout: float = 300.0,
    retries: int = 3,
    priority: Priority = "normal",
    kept: float = KEPT_SECONDS,
    ray: Mapping[str, Any] = NO_RESOURCES,
    schedulable: bool = False,
) -> Callable[[Run], Run]:
    """Make a function a type of job, by its own name or another.

    An `async` function takes a `JobContext` and its payload, a pydantic model; with `ray`, a plain one takes its
    payload alone. It returns a model, or nothing. What the arguments mean, see `JobType`. Raises JobTypeInvalid.
    """

    def define(function: Run) -> Run:
        title = name or str(getattr(function, "__name__", ""))
        if timeout <= 0 or retries < 0 or kept < 0:
            raise JobTypeInvalid(f"{title}: timeout, retries and kept are not negative, and the first is not 0")
        if priority not in PRIORITIES:
            raise JobTypeInvalid(f"{title}: the priority is one of {', '.join(PRIORITIES)}, not {priority!r}")
        payload = _payload_of(function, title, heavy=bool(ray))
        JOB_TYPES.add(JobType(title, payload, function, timeout, retries, priority, kept, dict(ray), schedulable))
        return function

    return define


def _payload_of(function: Run, name: str, *, heavy: bool) -> type[BaseModel]:
    parameters = list(inspect.signature(function).parameters.values())
    if heavy == inspect.iscoroutinefunction(function):
        raise JobTypeInvalid(f"{name}: with ray= it is a plain function, else it is async")
    if len(parameters) != (1 if heavy else 2):
        raise JobTypeInvalid(f"{name}: it takes {'its payload' if heavy else 'a JobContext and its payload'}, no more")
    payload = get_type_hints(function).get(parameters[-1].name)
    if not (isinstance(payload, type) and issubclass(payload, BaseModel)):
        raise JobTypeInvalid(f"{name}: the type of its payload is a pydantic model")
    return payload


def _place(function: Run) -> str:
    return f"{function.__module__}.{getattr(function, '__qualname__', '')}"

"""The plan of a run, from a seed: what each person does when, and what is broken when. Same seed, same plan."""

import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from tests.chaos.tasks import VERBS, Task, Verb

OnBusy = Literal["reject", "queue", "interrupt", "steer"]
WatcherKind = Literal["steady", "reconnecting"]

VERB_WEIGHTS: dict[Verb, int] = {
    "greet": 4, "tell": 4, "deposit": 5, "stamp": 4, "sign": 4, "ask": 2, "delegate": 2, "heap": 2, "fail": 1,
}  # fmt: skip
NONE: Mapping[str, float] = MappingProxyType({})
ON_BUSY_WEIGHTS: dict[OnBusy, int] = {"reject": 1, "queue": 4, "interrupt": 2, "steer": 2}


@dataclass(frozen=True, slots=True)
class SendTask:
    """Send a task. `streamed`: read the turn as events; `hang_up_after` so many seconds: stop waiting, and repeat."""

    pause: float
    conversation: int
    task: Task
    on_busy: OnBusy
    streamed: bool
    hang_up_after: float | None


@dataclass(frozen=True, slots=True)
class CancelTurn:
    pause: float
    conversation: int


@dataclass(frozen=True, slots=True)
class AnswerCall:
    """Answer one of the calls that ask people then, if any; `refuse` rejects it."""

    pause: float
    conversation: int
    pick: float
    refuse: bool


Action = SendTask | CancelTurn | AnswerCall


@dataclass(frozen=True, slots=True)
class Fault:
    """Breaks something `at` seconds after the start, for `seconds`; `pick` chooses among the possible targets."""

    at: float
    kind: str
    seconds: float
    pick: float


@dataclass(frozen=True, slots=True)
class RunSize:
    """How large a run is: its duration, conversations by placement, people, and the rates of actions and faults.

    Those that are `moving` begin in a host, and move into an actor of their own again whenever that has died.
    """

    seconds: float
    dedicated: int = 3
    shared: int = 4
    moving: int = 2
    people: int = 8
    pause: float = 1.2
    between_faults: float = 3.0
    max_fault_seconds: float = 4.0


@dataclass(frozen=True, slots=True)
class Plan:
    seed: int
    size: RunSize
    placements: Sequence[Literal["dedicated", "shared", "auto"]]
    people: Sequence[Sequence[Action]]
    watchers: Sequence[tuple[int, WatcherKind]]
    faults: Sequence[Fault]


def make_plan(seed: int, size: RunSize, kinds: Sequence[str], min_seconds: Mapping[str, float] = NONE) -> Plan:
    """Draw a plan. `kinds` are the faults that may happen, `min_seconds` says how long some of them last at least."""
    rng = random.Random(seed)
    placements = ["dedicated"] * size.dedicated + ["shared"] * size.shared + ["auto"] * size.moving
    numbers = itertools.count(1)
    people = [list(_actions(rng, size, len(placements), numbers)) for _ in range(size.people)]
    watchers: list[tuple[int, WatcherKind]] = [
        (conversation, kind) for conversation in range(len(placements)) for kind in ("steady", "reconnecting")
    ]
    return Plan(seed, size, placements, people, watchers, list(_faults(rng, size, kinds, min_seconds)))  # type: ignore[arg-type]


def _actions(rng: random.Random, size: RunSize, conversations: int, numbers: Iterator[int]) -> Iterator[Action]:
    """The actions of one person: mostly messages, some decisions and cancels."""
    favourites = rng.sample(range(conversations), k=min(3, conversations))
    at = 0.0
    while True:
        pause = rng.expovariate(1 / size.pause)
        at += pause
        if at > size.seconds:
            return
        yield _action(rng, pause, rng.choice(favourites), numbers)


def _action(rng: random.Random, pause: float, conversation: int, numbers: Iterator[int]) -> Action:
    kind = rng.choices(("say", "decide", "cancel"), (10, 6, 1))[0]
    if kind == "decide":
        return AnswerCall(pause, conversation, rng.random(), rng.random() < 0.25)
    if kind == "cancel":
        return CancelTurn(pause, conversation)
    return SendTask(
        pause=pause,
        conversation=conversation,
        task=Task(next(numbers), rng.choices(VERBS, [VERB_WEIGHTS[verb] for verb in VERBS])[0]),
        on_busy=rng.choices(tuple(ON_BUSY_WEIGHTS), tuple(ON_BUSY_WEIGHTS.values()))[0],
        streamed=rng.random() < 0.3,
        hang_up_after=rng.uniform(0.01, 0.5) if rng.random() < 0.2 else None,
    )


def _faults(
    rng: random.Random, size: RunSize, kinds: Sequence[str], min_seconds: Mapping[str, float]
) -> Iterator[Fault]:
    """Faults one after another, some overlapping; every kind comes before any kind comes again."""
    at, remaining = 0.0, list[str]()
    while kinds:
        at += rng.uniform(0.5, 1.5) * size.between_faults
        if at > size.seconds:
            return
        remaining = remaining or rng.sample(list(kinds), k=len(kinds))
        kind = remaining.pop()
        seconds = min_seconds.get(kind, 0.0) + rng.uniform(0.2, size.max_fault_seconds)
        yield Fault(at, kind, seconds, rng.random())

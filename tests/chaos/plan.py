"""What is going to happen, drawn from a seed: who says what when, and what is broken when. Same seed, same plan."""

import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from tests.chaos.tasks import VERBS, Task, Verb

OnBusy = Literal["reject", "queue", "interrupt", "steer"]
Tab = Literal["stayed", "hopped"]

VERB_WEIGHTS: dict[Verb, int] = {
    "greet": 4, "tell": 4, "deposit": 5, "stamp": 4, "sign": 4, "ask": 2, "delegate": 2, "heap": 2, "fail": 1,
}  # fmt: skip
NONE: Mapping[str, float] = MappingProxyType({})
ON_BUSY_WEIGHTS: dict[OnBusy, int] = {"reject": 1, "queue": 4, "interrupt": 2, "steer": 2}


@dataclass(frozen=True, slots=True)
class Say:
    """Send a task; `streamed` asks for the turn as events, `impatient` hangs up after so many seconds and repeats."""

    pause: float
    conversation: int
    task: Task
    on_busy: OnBusy
    streamed: bool
    impatient: float | None


@dataclass(frozen=True, slots=True)
class Cancel:
    pause: float
    conversation: int


@dataclass(frozen=True, slots=True)
class Decide:
    """Answer one of the calls that wait then, if any; `refuse` says no."""

    pause: float
    conversation: int
    pick: float
    refuse: bool


Action = Say | Cancel | Decide


@dataclass(frozen=True, slots=True)
class Fault:
    """`at` and `seconds` (how long until it is healed) count from the start; `pick` chooses among what is there."""

    at: float
    kind: str
    seconds: float
    pick: float


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything: conversations with an actor of their own and shared ones, people, tabs for each."""

    seconds: float
    dedicated: int = 3
    shared: int = 5
    people: int = 8
    pause: float = 1.2
    between_faults: float = 3.0
    longest_fault: float = 4.0


@dataclass(frozen=True, slots=True)
class Plan:
    seed: int
    size: Size
    placements: Sequence[Literal["dedicated", "shared"]]
    people: Sequence[Sequence[Action]]
    tabs: Sequence[tuple[int, Tab]]
    faults: Sequence[Fault]


def make_plan(seed: int, size: Size, kinds: Sequence[str], lasting: Mapping[str, float] = NONE) -> Plan:
    """Everything that chance decides; `kinds` are the faults that may happen, `lasting` how long some last at least."""
    dice = random.Random(seed)
    placements = ["dedicated"] * size.dedicated + ["shared"] * size.shared
    numbers = itertools.count(1)
    people = [list(_script(dice, size, len(placements), numbers)) for _ in range(size.people)]
    tabs: list[tuple[int, Tab]] = [
        (conversation, kind) for conversation in range(len(placements)) for kind in ("stayed", "hopped")
    ]
    return Plan(seed, size, placements, people, tabs, list(_faults(dice, size, kinds, lasting)))  # type: ignore[arg-type]


def _script(dice: random.Random, size: Size, conversations: int, numbers: Iterator[int]) -> Iterator[Action]:
    """One person's life: mostly talking, now and then deciding or stopping."""
    favourites = dice.sample(range(conversations), k=min(3, conversations))
    at = 0.0
    while True:
        pause = dice.expovariate(1 / size.pause)
        at += pause
        if at > size.seconds:
            return
        yield _action(dice, pause, dice.choice(favourites), numbers)


def _action(dice: random.Random, pause: float, conversation: int, numbers: Iterator[int]) -> Action:
    kind = dice.choices(("say", "decide", "cancel"), (10, 6, 1))[0]
    if kind == "decide":
        return Decide(pause, conversation, dice.random(), dice.random() < 0.25)
    if kind == "cancel":
        return Cancel(pause, conversation)
    return Say(
        pause=pause,
        conversation=conversation,
        task=Task(next(numbers), dice.choices(VERBS, [VERB_WEIGHTS[verb] for verb in VERBS])[0]),
        on_busy=dice.choices(tuple(ON_BUSY_WEIGHTS), tuple(ON_BUSY_WEIGHTS.values()))[0],
        streamed=dice.random() < 0.3,
        impatient=dice.uniform(0.01, 0.5) if dice.random() < 0.2 else None,
    )


def _faults(dice: random.Random, size: Size, kinds: Sequence[str], lasting: Mapping[str, float]) -> Iterator[Fault]:
    """One after another, at times overlapping; every kind comes before any comes again."""
    at, deck = 0.0, list[str]()
    while kinds:
        at += dice.uniform(0.5, 1.5) * size.between_faults
        if at > size.seconds:
            return
        deck = deck or dice.sample(list(kinds), k=len(kinds))
        kind = deck.pop()
        seconds = lasting.get(kind, 0.0) + dice.uniform(0.2, size.longest_fault)
        yield Fault(at, kind, seconds, dice.random())

"""The measures, one a file; `MEASURES` has their names for `--only`, in the order of the table."""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.figures import Figure
from benchmarks.measures import batch, burst, cold, concurrent, history, memory, pace, raylets, recovery, single
from benchmarks.size import Size
from benchmarks.subjects import Subject

ALL = ("shared", "dedicated", "keys", "before", "plain")
RAYLOGUE = ("shared", "dedicated")
PLACED = ("auto", *RAYLOGUE)


@dataclass(frozen=True, slots=True)
class Measure:
    """A function from a running subject and a size to figures, and the subjects that it measures.

    With `rounds`, it measures each subject several times, in turns: a comparison of subjects must not depend on what
    else the machine did in one minute.
    """

    run: Callable[[Subject, Size], Coroutine[Any, Any, list[Figure]]]
    subjects: tuple[str, ...] = ALL
    rounds: bool = False


MEASURES: Mapping[str, Measure] = {
    "burst": Measure(burst.measure, PLACED),  # first, since it begins right after the start
    "single": Measure(single.measure, rounds=True),
    "concurrent": Measure(concurrent.measure, rounds=True),
    "pace": Measure(pace.measure, ("shared", "plain"), rounds=True),  # 200 actors are too many
    "cold": Measure(cold.measure, RAYLOGUE),
    "recovery": Measure(recovery.measure, RAYLOGUE),
    "history": Measure(history.measure, ("shared",)),
    "batch": Measure(batch.measure, ("shared",)),
    "raylets": Measure(raylets.measure, ("shared",)),
    "memory": Measure(memory.measure, RAYLOGUE),
}

__all__ = ["MEASURES", "Measure"]

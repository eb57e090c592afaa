"""One file a measure; `MEASURES` names them for `--only`, in their order in the table."""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.figures import Figure
from benchmarks.measures import cold, crowd, history, memory, pace, raylets, recovery, single
from benchmarks.size import Size
from benchmarks.subjects import Subject

ALL = ("shared", "dedicated", "plain")
RAYLOGUE = ("shared", "dedicated")


@dataclass(frozen=True, slots=True)
class Measure:
    """A function from a running subject and a size to figures, and the subjects that it is for.

    With `rounds`, the subjects take turns at it several times: what is compared between them must not depend on
    what else the machine did in one minute.
    """

    run: Callable[[Subject, Size], Coroutine[Any, Any, list[Figure]]]
    subjects: tuple[str, ...] = ALL
    rounds: bool = False


MEASURES: Mapping[str, Measure] = {
    "single": Measure(single.measure, rounds=True),
    "crowd": Measure(crowd.measure, rounds=True),
    "pace": Measure(pace.measure, ("shared", "plain"), rounds=True),  # 200 processes are no way to live on one machine
    "cold": Measure(cold.measure, RAYLOGUE),
    "recovery": Measure(recovery.measure, RAYLOGUE),
    "history": Measure(history.measure, ("shared",)),
    "raylets": Measure(raylets.measure, ("shared",)),
    "memory": Measure(memory.measure, RAYLOGUE),
}

__all__ = ["MEASURES", "Measure"]

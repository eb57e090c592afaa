"""One file a measure; `MEASURES` is their order in the table."""

from collections.abc import Awaitable, Callable, Sequence

from benchmarks.figures import Figure
from benchmarks.measures import crowd, single
from benchmarks.size import Size
from benchmarks.subjects import Subject

Measure = Callable[[Subject, Size], Awaitable[list[Figure]]]

MEASURES: Sequence[Measure] = (single.measure, crowd.measure)

__all__ = ["MEASURES", "Measure"]

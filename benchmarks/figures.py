"""A measured figure, the statistics that figures are made of, and what several rounds of one come to."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

MILLISECONDS = "ms"
MEGABYTES = "MB"
PERCENT = "%"


@dataclass(frozen=True, slots=True)
class Figure:
    """One row of the table for one subject in one round; figures of the same name stand side by side."""

    name: str
    unit: str
    value: float


@dataclass(frozen=True, slots=True)
class Cell:
    """What the rounds of a figure came to: the median counts, the least and the greatest show how steady it is."""

    name: str
    unit: str
    values: Sequence[float]

    @property
    def value(self) -> float:
        return median(self.values)

    def shown(self) -> str:
        """Such as `6.21 ms`, or `6.21 ms (5.9 to 6.6)` after several rounds."""
        spread = f" ({_digits(min(self.values))} to {_digits(max(self.values))})" if len(self.values) > 1 else ""
        return f"{_digits(self.value)} {self.unit}".strip() + spread


def cells(figures: Iterable[Figure]) -> list[Cell]:
    """The figures of all rounds, those of one name in one cell, in the order in which the names first came."""
    found: dict[tuple[str, str], list[float]] = {}
    for figure in figures:
        found.setdefault((figure.name, figure.unit), []).append(figure.value)
    return [Cell(name, unit, values) for (name, unit), values in found.items()]


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest of the values that at least `percent` of them do not exceed."""
    ordered = sorted(values)
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(0, int(rank) - 1)]


def spread(name: str, seconds: Sequence[float]) -> list[Figure]:
    """Median and 99th percentile in milliseconds."""
    return [Figure(f"{name}, p{percent}", MILLISECONDS, 1000 * percentile(seconds, percent)) for percent in (50, 99)]


def _digits(value: float) -> str:
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:.{digits}f}"

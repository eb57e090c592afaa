"""A measured figure, and the statistics that figures are made of."""

from collections.abc import Sequence
from dataclasses import dataclass

MILLISECONDS = "ms"
MEGABYTES = "MB"


@dataclass(frozen=True, slots=True)
class Figure:
    """One row of the table for one subject; figures of the same name stand side by side."""

    name: str
    unit: str
    value: float

    def shown(self) -> str:
        digits = 0 if abs(self.value) >= 100 else 1 if abs(self.value) >= 10 else 2
        return f"{self.value:.{digits}f} {self.unit}".strip()


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest of the values that at least `percent` of them do not exceed."""
    ordered = sorted(values)
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(0, int(rank) - 1)]


def spread(name: str, seconds: Sequence[float]) -> list[Figure]:
    """Median and 99th percentile in milliseconds."""
    return [Figure(f"{name}, p{percent}", MILLISECONDS, 1000 * percentile(seconds, percent)) for percent in (50, 99)]

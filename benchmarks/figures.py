"""Measured figures: their statistics, the cells of several rounds, and the file that keeps them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import orjson

from benchmarks.subjects import KINDS

MILLISECONDS = "ms"
MEGABYTES = "MB"
PERCENT = "%"


@dataclass(frozen=True, slots=True)
class Figure:
    """One value of one subject in one round; figures of the same name are in one row of the table."""

    name: str
    unit: str
    value: float


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure of all rounds: the median counts; the smallest and the largest value show how steady it is."""

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
    """One cell for the figures of each name, in the order of their first occurrence."""
    found: dict[tuple[str, str], list[float]] = {}
    for figure in figures:
        found.setdefault((figure.name, figure.unit), []).append(figure.value)
    return [Cell(name, unit, values) for (name, unit), values in found.items()]


class Results:
    """The figures of each subject; a `file` is read first, and written after each measure."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._figures: dict[str, list[Figure]] = {kind.name: [] for kind in KINDS.values()}
        if file is not None and file.exists():
            for subject, figures in orjson.loads(file.read_bytes()).items():
                self._figures[subject] = [Figure(**figure) for figure in figures]

    def add(self, subject: str, figures: Iterable[Figure]) -> None:
        """Add the figures of one measure in one round."""
        self._figures.setdefault(subject, []).extend(figures)
        if self._file is not None:
            self._file.write_bytes(orjson.dumps(self._figures, option=orjson.OPT_INDENT_2))

    def cells(self) -> Mapping[str, Mapping[str, Cell]]:
        """By subject and by name of the figure; subjects without figures are left out."""
        return {
            subject: {cell.name: cell for cell in cells(figures)}
            for subject, figures in self._figures.items()
            if figures
        }


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` of the values do not exceed."""
    ordered = sorted(values)
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(0, int(rank) - 1)]


def spread(name: str, seconds: Sequence[float]) -> list[Figure]:
    """Median and 99th percentile in milliseconds."""
    return [Figure(f"{name}, p{percent}", MILLISECONDS, 1000 * percentile(seconds, percent)) for percent in (50, 99)]


def _digits(value: float) -> str:
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:.{digits}f}"

"""The targets for some figures, and by how much a figure misses them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from benchmarks.figures import MILLISECONDS, PERCENT, Cell
from benchmarks.subjects import KINDS

Cells = Mapping[str, Mapping[str, Cell]]
"""By subject and name of the figure."""

SHARED, DEDICATED, PLAIN = (KINDS[kind].name for kind in ("shared", "dedicated", "plain"))


@dataclass(frozen=True, slots=True)
class Target:
    """`limit` bounds a figure of a subject, its ratio to the plain application's figure, or its excess over that."""

    subject: str
    figure: str
    limit: float
    unit: str = ""
    of: Literal["value", "ratio", "excess"] = "value"
    at_least: bool = False

    @property
    def text(self) -> str:
        """Such as `at most 0.7 x the plain app's`."""
        bound = "at least" if self.at_least else "at most"
        amount = f"{bound} {self.limit:g} {self.unit}".strip()
        return {"value": amount, "ratio": f"{amount} x the plain app's", "excess": f"{amount} over the plain app's"}[
            self.of
        ]

    def reached(self, found: Cells) -> float | None:
        """None if one of the two figures was not measured."""
        own = found.get(self.subject, {}).get(self.figure)
        plain = found.get(PLAIN, {}).get(self.figure)
        if own is None or (plain is None and self.of != "value"):
            return None
        if plain is None or self.of == "value":
            return own.value
        return own.value / plain.value if self.of == "ratio" else own.value - plain.value

    def verdict(self, reached: float) -> str:
        """`met`, or by how much the target is missed."""
        missing = self.limit - reached if self.at_least else reached - self.limit
        return "met" if missing <= 0 else f"missed by {missing:.3g} {self.unit}".strip()


CPU = "Server CPU per turn, 50 conversations"
FIRST_TOKEN = "Time to first token, 1 conversation, p50"
PACED = "Finished within 1.3 s, {} paced streams"

TARGETS: Sequence[Target] = (
    Target(SHARED, CPU, 0.7, of="ratio"),
    Target(SHARED, CPU, 0.55, of="ratio"),
    Target(DEDICATED, CPU, 0.7, of="ratio"),
    Target(SHARED, FIRST_TOKEN, 3, MILLISECONDS, of="excess"),
    Target(DEDICATED, FIRST_TOKEN, 3, MILLISECONDS, of="excess"),
    Target(SHARED, PACED.format(100), 100, PERCENT, at_least=True),
    Target(SHARED, PACED.format(200), 90, PERCENT, at_least=True),
    Target(SHARED, "Memory beyond the empty hosts, 10,000 live idle conversations", 150, "MB"),
    Target(SHARED, "Cold start to the first token, p50", 15, MILLISECONDS),
    Target(DEDICATED, "Cold start to the first token, p50", 250, MILLISECONDS),
    Target(SHARED, "Recovery after SIGKILL, p99", 5000, MILLISECONDS),
    Target(DEDICATED, "Recovery after SIGKILL, p99", 5000, MILLISECONDS),
)


def rows(found: Cells) -> Iterator[tuple[str, ...]]:
    """Figure, subject, target, reached value and verdict; targets without figures are left out."""
    for target in TARGETS:
        reached = target.reached(found)
        if reached is not None:
            shown = f"{reached:.3g} {target.unit}".strip()
            yield (target.figure, target.subject, target.text, shown, target.verdict(reached))

"""The targets for some figures, and by how much a figure misses them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from benchmarks.figures import MILLISECONDS, PERCENT, Cell
from benchmarks.subjects import BEFORE, KINDS

Cells = Mapping[str, Mapping[str, Cell]]
"""By subject and name of the figure."""

AUTO, SHARED, DEDICATED, KEYS, PLAIN = (KINDS[kind].name for kind in ("auto", "shared", "dedicated", "keys", "plain"))


@dataclass(frozen=True, slots=True)
class Target:
    """`limit` bounds a figure of a subject, or its ratio to, or its excess over, that of the subject `other`.

    With `base`, a ratio is to that figure of the same subject.
    """

    subject: str
    figure: str
    limit: float
    unit: str = ""
    of: Literal["value", "ratio", "excess"] = "value"
    at_least: bool = False
    base: str | None = None
    other: str = PLAIN

    @property
    def text(self) -> str:
        """Such as `at most 0.7 x the plain app's`."""
        bound = "at least" if self.at_least else "at most"
        amount = f"{bound} {self.limit:g} {self.unit}".strip()
        compared = "the plain app's" if self.other == PLAIN else "that of the code before"
        other = compared if self.base is None else "that of the second message, p50"
        return {"value": amount, "ratio": f"{amount} x {other}", "excess": f"{amount} over {other}"}[self.of]

    def reached(self, found: Cells) -> float | None:
        """None if one of the two figures was not measured."""
        own = found.get(self.subject, {}).get(self.figure)
        other = found.get(self.other if self.base is None else self.subject, {}).get(self.base or self.figure)
        if own is None or (other is None and self.of != "value"):
            return None
        if other is None or self.of == "value":
            return own.value
        return own.value / other.value if self.of == "ratio" else own.value - other.value

    def verdict(self, reached: float) -> str:
        """`met`, or by how much the target is missed."""
        missing = self.limit - reached if self.at_least else reached - self.limit
        return "met" if missing <= 0 else f"missed by {missing:.3g} {self.unit}".strip()


CPU = "Server CPU per turn, 50 conversations"
TURNS = "Turns a second, 50 conversations"
FIRST_TOKEN = "Time to first token, 1 conversation, p50"
PACED = "Finished within 1.3 s, {} paced streams"

BURSTS = ("50 at once, right after the start", "50 at once, later")

TARGETS: Sequence[Target] = (
    *(
        Target(
            AUTO,
            f"First token of new conversations, {burst}, p99",
            3,
            of="ratio",
            base=f"– of the same conversations, second message, {burst}, p50",
        )
        for burst in BURSTS
    ),
    *(
        Target(subject, f"Acknowledgement of new conversations, {burst}, p99", 100, MILLISECONDS)
        for subject in (AUTO, SHARED, DEDICATED)
        for burst in BURSTS
    ),
    *(Target(subject, f"Errors, {burst}", 0) for subject in (AUTO, SHARED, DEDICATED) for burst in BURSTS),
    Target(SHARED, TURNS, 2, of="ratio", at_least=True),
    Target(SHARED, CPU, 0.5, of="ratio"),
    Target(DEDICATED, CPU, 0.7, of="ratio"),
    Target(SHARED, FIRST_TOKEN, 1.5, MILLISECONDS, of="excess"),
    Target(DEDICATED, FIRST_TOKEN, 3, MILLISECONDS, of="excess"),
    Target(KEYS, CPU, 1.05, of="ratio", other=BEFORE),
    Target(KEYS, FIRST_TOKEN, 1.05, of="ratio", other=BEFORE),
    Target(SHARED, PACED.format(100), 100, PERCENT, at_least=True),
    Target(SHARED, PACED.format(200), 90, PERCENT, at_least=True),
    Target(SHARED, "Memory beyond the empty hosts, 10,000 live idle conversations", 150, "MB"),
    Target(SHARED, "Cold start to the first token, p50", 15, MILLISECONDS),
    Target(DEDICATED, "Cold start to the first token, p50", 250, MILLISECONDS),
    Target(SHARED, "Batch, turns a second of interactive load", 0.8, "x", at_least=True),
    Target(SHARED, "Batch, added to the first token, p50", 10, MILLISECONDS),
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

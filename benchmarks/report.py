"""Shows the figures side by side: as a table in the terminal, and as Markdown in docs/performance.md."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.table import Table

from benchmarks.figures import Figure

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
ABSENT = ""

Results = Mapping[str, Sequence[Figure]]
"""The figures by the name of the subject; the first subject is the one that the others are compared with."""


def rows(results: Results) -> list[tuple[str, ...]]:
    """Name of the figure, then its value for each subject, then the ratio of the first to the last."""
    return [_row(name, results) for name in _names(results)]


def headings(results: Results) -> tuple[str, ...]:
    return ("", *results, "ratio")


def table(results: Results) -> Table:
    """For the terminal."""
    shown = Table(title="Measured")
    for heading in headings(results):
        shown.add_column(heading, justify="right" if heading else "left")
    for row in rows(results):
        shown.add_row(*row)
    return shown


def markdown(results: Results, facts: Mapping[str, str]) -> str:
    """For the documentation."""
    lines = [headings(results), ("---", *["--:"] * (len(results) + 1)), *rows(results)]
    measured = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    circumstances = "; ".join(f"{name} {value}" for name, value in facts.items())
    return f"{measured}\n\nMeasured with: {circumstances}.\n"


def save(text: str, document: Path) -> None:
    """Put `text` between the two marks of the document."""
    before, _, rest = document.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    document.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}")


def _names(results: Results) -> list[str]:
    """Every figure once, where the subject that measured it has it."""
    names: list[str] = []
    for figures in results.values():
        place = 0
        for figure in figures:
            if figure.name not in names:
                names.insert(place, figure.name)
            place = names.index(figure.name) + 1
    return names


def _row(name: str, results: Results) -> tuple[str, ...]:
    found = [next((figure for figure in figures if figure.name == name), None) for figures in results.values()]
    return (name, *(ABSENT if figure is None else figure.shown() for figure in found), _ratio(found))


def _ratio(found: Sequence[Figure | None]) -> str:
    first, last = found[0], found[-1]
    if len(found) < 2 or first is None or last is None or not last.value:
        return ABSENT
    return f"{first.value / last.value:.2f}"

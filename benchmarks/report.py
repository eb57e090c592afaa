"""The table of the figures: in the terminal, and as Markdown in docs/performance.md."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from rich.table import Table

from benchmarks import targets
from benchmarks.targets import Cells

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
ABSENT = ""


def rows(found: Cells) -> list[tuple[str, ...]]:
    """The name of the figure, its value for each subject, then the ratios of all others to the last subject."""
    return [(name, *_values(name, found), *_ratios(name, found)) for name in _names(found)]


def headings(found: Cells) -> tuple[str, ...]:
    """The headings of the table; that of a ratio is such as `shared / plain app`."""
    *others, last = found
    return ("", *found, *(f"{other.rpartition(', ')[2]} / {last}" for other in others))


def table(found: Cells) -> Table:
    """For the terminal."""
    shown = Table(title="Measured")
    for heading in headings(found):
        shown.add_column(heading, justify="right" if heading else "left")
    for row in rows(found):
        shown.add_row(*row)
    return shown


def markdown(found: Cells, facts: Mapping[str, str]) -> str:
    """For the documentation."""
    measured = _markdown(headings(found), rows(found))
    reached = _markdown(("Target for", "subject", "target", "reached", "verdict"), targets.rows(found))
    circumstances = "; ".join(f"{name} {value}" for name, value in facts.items())
    return f"{measured}\n\nMeasured with: {circumstances}.\n\n{reached}\n"


def save(text: str, document: Path) -> None:
    """Put `text` between the two marks of the document."""
    before, _, rest = document.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    document.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}")


def _markdown(head: tuple[str, ...], body: Iterable[tuple[str, ...]]) -> str:
    """A table whose first column is text and whose other columns are figures."""
    lines = [head, ("---", *["--:"] * (len(head) - 1)), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _names(found: Cells) -> list[str]:
    """The name of every figure, in the order in which the subjects have them."""
    names: list[str] = []
    for figures in found.values():
        place = 0
        for name in figures:
            if name not in names:
                names.insert(place, name)
            place = names.index(name) + 1
    return names


def _values(name: str, found: Cells) -> Iterator[str]:
    for figures in found.values():
        yield figures[name].shown() if name in figures else ABSENT


def _ratios(name: str, found: Cells) -> Iterator[str]:
    *others, last = found.values()
    for figures in others:
        known = name in figures and name in last and last[name].value
        yield f"{figures[name].value / last[name].value:.2f}" if known else ABSENT

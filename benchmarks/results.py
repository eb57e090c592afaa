"""The figures of all rounds, kept in a file when the measuring is done in pieces."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import orjson

from benchmarks.figures import Cell, Figure, cells
from benchmarks.subjects import KINDS


class Results:
    """Figures by the name of the subject; a `file` is read first, and written after each measure."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._found: dict[str, list[Figure]] = {kind.name: [] for kind in KINDS.values()}
        if file is not None and file.exists():
            for subject, figures in orjson.loads(file.read_bytes()).items():
                self._found[subject] = [Figure(**figure) for figure in figures]

    def add(self, subject: str, figures: Iterable[Figure]) -> None:
        """The figures of one measure in one round."""
        self._found[subject].extend(figures)
        if self._file is not None:
            self._file.write_bytes(orjson.dumps(self._found, option=orjson.OPT_INDENT_2))

    def cells(self) -> Mapping[str, Mapping[str, Cell]]:
        """By the subject, those without figures left out, and by the figure's name."""
        return {
            subject: {cell.name: cell for cell in cells(figures)} for subject, figures in self._found.items() if figures
        }

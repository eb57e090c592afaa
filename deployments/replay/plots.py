"""Plots as SVG that stands in a page: bars, a histogram, a scatter plot. Labels are escaped; colours are the page's."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, log10
from typing import Final

WIDTH, HEIGHT = 420, 220
LABEL, LINE, MARGIN = 160, 24, 36
MAX_LABEL: Final = 24


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar: its label, and how many there are."""

    label: str
    count: int


def draw_bars(bars: Sequence[Bar]) -> str:
    """Horizontal bars, each with its figure."""
    most = max((bar.count for bar in bars), default=0) or 1
    room = WIDTH - LABEL - 60
    lines = []
    for number, bar in enumerate(bars):
        y, width = number * LINE, round(room * bar.count / most, 1)
        lines.append(
            f'<text x="{LABEL - 8}" y="{y + 16}" text-anchor="end">{escape(_short(bar.label))}</text>'
            f'<rect class="new" x="{LABEL}" y="{y + 4}" width="{width}" height="16" rx="2"/>'
            f'<text x="{LABEL + width + 6}" y="{y + 16}">{bar.count:,}</text>'
        )
    return _svg(WIDTH, max(len(bars), 1) * LINE, lines)


def draw_histogram(counts: Sequence[int], first: str, last: str) -> str:
    """Upright bars of equal width from `first` to `last`."""
    most, room = max(counts, default=0) or 1, HEIGHT - 2 * MARGIN
    width = (WIDTH - 2 * MARGIN) / max(len(counts), 1)
    lines = [_axis(), _label(MARGIN, first), _label(WIDTH - MARGIN, last), f'<text x="0" y="14">{most:,}</text>']
    for number, count in enumerate(counts):
        height = round(room * count / most, 1)
        x, y = round(MARGIN + number * width, 1), round(HEIGHT - MARGIN - height, 1)
        lines.append(f'<rect class="new" x="{x}" y="{y}" width="{round(width - 1, 1)}" height="{height}"/>')
    return _svg(WIDTH, HEIGHT, lines)


def draw_scatter(points: Sequence[tuple[float, float]]) -> str:
    """A point for each pair, both axes alike, and the line on which both are equal."""
    most = _round_up(max((max(point) for point in points), default=0))
    room = HEIGHT - 2 * MARGIN
    lines = [
        _axis(),
        f'<line class="axis" x1="{MARGIN}" y1="{HEIGHT - MARGIN}" x2="{MARGIN + room}" y2="{MARGIN}"/>',
        _label(MARGIN, "0"),
        _label(MARGIN + room, f"{most:g}"),
        f'<text x="0" y="{MARGIN + 4}">{most:g}</text>',
    ]
    for x, y in points:
        across, up = round(MARGIN + room * x / most, 1), round(HEIGHT - MARGIN - room * y / most, 1)
        lines.append(f'<circle class="new" cx="{across}" cy="{up}" r="2.5" fill-opacity="0.5"/>')
    return _svg(WIDTH, HEIGHT, lines)


def _axis() -> str:
    bottom = HEIGHT - MARGIN
    return (
        f'<line class="axis" x1="{MARGIN}" y1="{bottom}" x2="{WIDTH - MARGIN}" y2="{bottom}"/>'
        f'<line class="axis" x1="{MARGIN}" y1="{MARGIN}" x2="{MARGIN}" y2="{bottom}"/>'
    )


def _label(x: float, words: str) -> str:
    return f'<text x="{x}" y="{HEIGHT - MARGIN + 18}" text-anchor="middle">{escape(words)}</text>'


def _svg(width: int, height: int, lines: Sequence[str]) -> str:
    return f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">{"".join(lines)}</svg>'


def _short(label: str) -> str:
    return label if len(label) <= MAX_LABEL else f"{label[: MAX_LABEL - 1]}…"


def _round_up(value: float) -> float:
    """To one of 1, 2, 5, 10, 20, 50 … or 0.1, 0.2, 0.5 …, at least 0.001."""
    value = max(value, 0.001)
    magnitude = 10.0 ** (ceil(log10(value)) - 1)
    return next(step * magnitude for step in (1, 2, 5, 10) if step * magnitude >= value * 0.999999)

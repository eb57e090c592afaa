"""Totals and the summary page: right figures, and nothing of a conversation that a browser would run."""

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from agents.replay.comparison import compare
from agents.replay.judge import Judgement
from agents.replay.replay import Compared
from agents.replay.said import CallMade, Said
from deployments.replay.page import summary_page
from deployments.replay.plots import Bar, draw_bars, draw_histogram, draw_scatter
from deployments.replay.result_rows import COLUMNS, decode_rows, encode_rows, error_row, row_of
from deployments.replay.totals import MAX_POINTS, MAX_SHOWN, Totals

EVIL = """</pre></svg><script>alert(1)</script><img src=x onerror='a()'>"&'"""


def compared(old: Said, new: Said, turn: int = 1, **fields: Any) -> Compared:
    given = {"conversation": "c", "agent": "a", "turn": turn, "step": 0, "question": "q", **fields}
    return Compared(**given, old=old, new=new, comparison=compare(old, new))


def totals_of(*rows: dict[str, Any]) -> Totals:
    totals = Totals()
    for row in decode_rows(encode_rows(rows)):
        totals.add(row)
    return totals


def test_rows_have_all_columns_and_survive_their_writing() -> None:
    old = Said(text="a", calls=[CallMade("f", {"x": 1}, "ok", "ok")], usage={"input_tokens": 3, "output_tokens": 2})
    row = row_of(compared(old, Said(text="b"), judgement=Judgement(1, 2, "why")))
    assert set(row) == set(error_row("c", "gone")) == set(COLUMNS)
    assert decode_rows(encode_rows([row])) == [row]
    assert (row["old_input_tokens"], row["old_output_tokens"], row["judge_new"]) == (3, 2, 2)
    assert row["changed_calls"] == [{"change": "missing", "name": "f"}]


def test_figures_are_sums_of_rows() -> None:
    cheap = Said(text="x", cost=5, ms=100, usage={"input_tokens": 1}, model="m")
    dear = Said(text="y", cost=50, ms=300, usage={"input_tokens": 10}, model="n", calls=[CallMade("f", {})])
    totals = totals_of(
        row_of(compared(cheap, cheap)),
        row_of(compared(cheap, dear, turn=2, judgement=Judgement(2, 8, "", None, 7))),
        row_of(compared(cheap, Said(ending="failed", reason="overloaded", model_calls=0), turn=3)),
        error_row("other", "it is gone"),
    )
    figures = totals.as_json()
    assert figures["verdicts"] == {"same": 1, "calls": 1, "ending": 1}
    assert (figures["rows"], figures["errors"], figures["conversations"]) == (3, 1, 2)
    sums = {name: figures[name] for name in ("old_cost", "new_cost", "new_input_tokens", "new_ms")}
    assert sums == {"old_cost": 15, "new_cost": 55, "new_input_tokens": 11, "new_ms": 400}
    judged = {name: figures[name] for name in ("judged", "judge_wins", "judge_new", "judge_cost")}
    assert judged == {"judged": 1, "judge_wins": {"new": 1}, "judge_new": 8, "judge_cost": 7}
    assert figures["unpriced"] == {"old": 0, "new": 0}
    assert [row["verdict"] for row in totals.most_different()] == ["ending", "calls"]


def test_totals_keep_a_bounded_number_of_rows_and_points() -> None:
    totals = Totals()
    for turn in range(5 * MAX_POINTS):
        totals.add(row_of(compared(Said(text="a", ms=turn), Said(text=f"b{turn}", ms=1), turn=turn)))
    assert len(totals.points) <= 2 * MAX_POINTS
    assert len(totals.shown) < 2 * MAX_SHOWN
    assert len(totals.most_different()) <= MAX_SHOWN


class Elements(HTMLParser):
    """Which elements and attributes a browser would find."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.add(tag)
        self.attributes |= {name for name, _ in attrs}


def test_nothing_that_was_said_becomes_a_part_of_the_page() -> None:
    evil = Said(
        text=EVIL, calls=[CallMade(EVIL, {EVIL: EVIL})], ending="failed", reason=EVIL, detail=EVIL, model=EVIL, ms=1
    )
    row = row_of(
        compared(Said(text="x", ms=2), evil, conversation=EVIL, question=EVIL, judgement=Judgement(1, 2, EVIL))
    )
    page = summary_page(EVIL, {"Model": EVIL}, totals_of(row))
    parsed = Elements()
    parsed.feed(page)
    assert not parsed.found & {"script", "img", "iframe", "link", "object", "a", "form"}
    assert not {name for name in parsed.attributes if name.startswith("on")} | parsed.attributes & {"src", "href"}
    assert "default-src 'none'" in page
    assert not re.search(r"https?://", page), "it loads nothing"
    assert "&lt;script&gt;" in page


def test_a_page_of_nothing() -> None:
    page = summary_page("Replay", {"Mode": "forced"}, Totals())
    assert "0 compared, of 0 conversations." in page
    assert "Nothing differs." in page


@pytest.mark.parametrize(
    "plot",
    [draw_bars([]), draw_bars([Bar("<b>", 0)]), draw_histogram([], "0", "1"), draw_scatter([]), draw_scatter([(0, 0)])],
)
def test_plots_of_little_are_drawn(plot: str) -> None:
    assert plot.startswith("<svg")
    assert "<b>" not in plot
    assert "nan" not in plot


def test_bars_and_points_are_to_scale() -> None:
    widths = re.findall(r'<rect [^>]*width="([\d.]+)"', draw_bars([Bar("a", 10), Bar("b", 5)]))
    assert float(widths[0]) == 2 * float(widths[1])
    assert re.findall(r'<circle [^>]*cx="([\d.]+)" cy="([\d.]+)"', draw_scatter([(5, 5), (0, 0)])) == [
        ("184.0", "36.0"),
        ("36.0", "184.0"),
    ]

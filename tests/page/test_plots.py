"""The plots of the page: where their marks are, what is read under the pointer and by keys, and in which colours."""

from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.support.person import Person

pytestmark = pytest.mark.browser

MARKS = """async base => {
  const { nearest, runs, scale, timeMarks, valueMarks } = await import(base + 'plot/scale.js');
  const wrong = [];
  const check = (is, ...what) => is || wrong.push(what);
  let seed = 7;
  const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
  for (let turn = 0; turn < 500; turn++) {
    const highest = 10 ** (random() * 12 - 4);
    const marks = valueMarks(highest);
    const steps = marks.slice(1).map((mark, index) => mark - marks[index]);
    check(marks[0] === 0 && marks.at(-1) >= highest * (1 - 1e-6), 'not within', highest, marks);
    check(marks.at(-1) - steps[0] < highest, 'room to spare', highest, marks);
    check(marks.length >= 3 && marks.length <= 5, 'how many', highest, marks);
    check(steps.every(step => Math.abs(step / steps[0] - 1) < 1e-6), 'not even', highest, marks);
    check([1, 2, 5].includes(Math.round(steps[0] / 10 ** Math.floor(Math.log10(steps[0]) + 1e-9))), 'not round', marks);

    const from = Math.floor(1.7e12 + random() * 1e11), to = from + Math.floor(10 ** (4 + random() * 5));
    const times = timeMarks(from, to, 5);
    check(times.length <= 6 && times.every(at => from <= at && at <= to), 'times', from, to, times);
    check(times.length > 0 || to - from < 60000, 'no time', from, to);

    const at = Array.from({ length: Math.floor(random() * 20) }, () => random() * 100).sort((a, b) => a - b);
    const wanted = random() * 120 - 10, found = nearest(at, wanted);
    const distance = Math.min(...at.map(one => Math.abs(one - wanted)));
    check(at.length ? Math.abs(at[found] - wanted) === distance : found === -1, 'nearest', at, wanted, found);
  }
  const places = [scale([3, 3], [0, 10])(3), scale([0, 2], [10, 0])(1)];
  return [wrong.slice(0, 3), valueMarks(0), runs([1, null, 2, 3, null]), ...places];
}"""
SHOW = """async ([base, data]) => {
  const { Plot } = await import(base + 'plot/plot.js');
  const series = [{ name: 'p50', tone: '1' }, { name: 'p99', tone: '2' }];
  window.plot = new Plot({ title: 'Waiting', series, words: value => `${value} ms` });
  window.plot.node.style.width = '600px';
  document.body.replaceChildren(window.plot.node);
  window.plot.render(data);
}"""
HOUR = 3_600_000
DATA: dict[str, Any] = {
    "at": [472_222 * HOUR + 10_000 * index for index in range(6)],
    "values": [[10, 20, None, 30, None, 40], [100, 200, None, 300, None, 400]],
}


@pytest.fixture
def plot(person: Person, modules: str) -> Locator:
    """A plot of two lines with gaps, alone on the page."""
    person.page.evaluate(SHOW, [modules, DATA])
    return person.page.locator(".plot")


def test_the_marks_are_round_and_hold_what_is_shown(person: Person, modules: str) -> None:
    wrong, of_nothing, runs, middle, half = person.page.evaluate(MARKS, modules)
    assert wrong == []
    assert of_nothing == [0, 1]
    assert runs == [[0], [2, 3]]
    assert (middle, half) == (5, 5)


def test_a_plot_is_read_by_pointer_and_by_keys(person: Person, plot: Locator) -> None:
    expect(plot.locator(".plot-legend li")).to_have_text(["p50", "p99"])
    marks = plot.locator(".plot-mark").all_text_contents()
    assert {"0 ms", "200 ms", "400 ms"} <= set(marks)
    assert len([mark for mark in marks if ":" in mark]) >= 3
    lines = plot.locator(".plot-picture path")
    assert [path.get_attribute("d").count("L") for path in lines.all()] == [1, 1]  # type: ignore[union-attr]
    expect(plot.locator(".plot-picture .plot-dot")).to_have_count(4)  # what has no neighbour is a dot

    picture, tip = plot.get_by_role("img"), plot.locator(".plot-tip")
    assert "Waiting" in (picture.get_attribute("aria-label") or "")
    box = picture.bounding_box()
    assert box is not None
    expect(tip).to_be_hidden()
    person.page.mouse.move(box["x"] + box["width"] - 14, box["y"] + 60)
    expect(tip.locator("li")).to_have_text(["p50 40 ms", "p99 400 ms"])
    shown = tip.bounding_box()
    assert shown is not None
    assert box["x"] <= shown["x"]
    assert shown["x"] + shown["width"] <= box["x"] + box["width"]
    person.page.mouse.move(box["x"] + 60, box["y"] + 60)
    expect(tip.locator("li")).to_have_text(["p50 10 ms", "p99 100 ms"])
    person.page.mouse.move(0, 0)
    expect(tip).to_be_hidden()

    person.page.keyboard.press("Tab")
    expect(picture).to_be_focused()
    told = plot.get_by_role("status")
    expect(told).to_contain_text("p50 40 ms, p99 400 ms")
    person.page.keyboard.press("ArrowLeft")
    expect(told).to_contain_text("p50 nothing, p99 nothing")
    person.page.keyboard.press("Home")
    expect(tip.locator("li")).to_have_text(["p50 10 ms", "p99 100 ms"])
    moved = {"at": [at + 10_000 for at in DATA["at"]], "values": [[*line[1:], 50] for line in DATA["values"]]}
    person.page.evaluate("data => window.plot.render(data)", {**moved, "at": [DATA["at"][0], *moved["at"][1:]]})
    expect(tip.locator("li").first).to_have_text("p50 20 ms")  # the time that is read stays
    person.page.keyboard.press("Escape")
    expect(tip).to_be_hidden()


def test_a_plot_has_the_colours_of_the_scheme_and_the_width_of_its_place(person: Person, plot: Locator) -> None:
    stroke = "node => getComputedStyle(node).stroke"
    line = plot.locator(".plot-picture path").first
    light = line.evaluate(stroke)
    person.page.emulate_media(color_scheme="dark")
    assert line.evaluate(stroke) != light
    dashes = [one.evaluate("node => getComputedStyle(node).strokeDasharray") for one in plot.locator("path").all()]
    assert len(set(dashes)) == 2  # known without the colour
    plot.evaluate("node => (node.style.width = '320px')")
    expect(plot.get_by_role("img")).to_have_attribute("width", "318")
    person.page.evaluate("window.plot.render({at: [], values: [[], []]})")
    expect(plot.get_by_role("img")).to_have_attribute("aria-label", "Waiting: nothing yet")

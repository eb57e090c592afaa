// A plot of lines over time, in SVG: axes with units, a legend, and the values under the pointer or the arrow keys.

import { h } from "../views/element.js";
import { nearest, runs, scale, timeMarks, valueMarks } from "./scale.js";

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 180;
const SPACE = { top: 8, right: 12, bottom: 22, left: 56 };
/** So far apart, in pixels, are two marks of the time axis at least. */
const TIME_MARK = 76;
/** Before it has a place on the screen. */
const WIDTH = 480;
const STEPS = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity };

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const hours = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const days = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });

export class Plot {
  node;
  #title;
  #series;
  #words;
  #data = { at: [], values: [] };
  #width = WIDTH;
  /** The time at which the values are read, and null while they are not. */
  #reading = null;
  #isByKeys = false;
  #picture = svg("svg", { class: "plot-picture", role: "img", tabindex: "0", height: HEIGHT });
  #tip = h("div", { class: "plot-tip", hidden: true, "aria-hidden": "true" });
  #told = h("p", { class: "visually-hidden", role: "status" });

  /**
   * `series` are `{name, tone}` in the order of their values; `tone` is that of `css/plot.css`: `1` to `4`, or `bad`.
   * `words(value)` is a value with its unit, for the axis and for reading; a value of null is a gap in the line.
   */
  constructor({ title, series, words }) {
    this.#title = title;
    this.#series = series;
    this.#words = words;
    const legend = series.map(({ name, tone }) => h("li", { "data-tone": tone }, swatch(), name));
    const heading = h("figcaption", {}, h("h3", {}, title), h("ul", { class: "plot-legend" }, legend));
    this.node = h("figure", { class: "plot" }, heading, h("div", { class: "plot-place" }, this.#picture, this.#tip), this.#told);
    this.#listen();
    new ResizeObserver(([{ contentRect }]) => this.#resize(contentRect.width)).observe(this.node);
  }

  /** Shows `{at, values}`: times in ms, which go up, and for each of the series as many values, none of them negative. */
  render(data) {
    this.#data = data;
    this.#draw();
  }

  #listen() {
    const picture = this.#picture;
    const point = (event) => this.#readAt(event);
    picture.addEventListener("pointermove", point);
    picture.addEventListener("pointerdown", point);
    // A finger leaves with the touch, and what it has found shall stay to be read.
    picture.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && !this.#isByKeys && this.#read(null));
    picture.addEventListener("focus", () => picture.matches(":focus-visible") && this.#readByKeys(this.#data.at.length - 1));
    picture.addEventListener("blur", () => this.#read(null));
    picture.addEventListener("keydown", (event) => this.#keyed(event));
  }

  #keyed(event) {
    const { at } = this.#data;
    if (event.key === "Escape" && this.#reading !== null) {
      event.stopPropagation(); // it ends nothing but the reading
      return this.#read(null);
    }
    const step = STEPS[event.key];
    if (step === undefined || at.length === 0) return;
    event.preventDefault();
    const from = this.#reading === null ? at.length - 1 : nearest(at, this.#reading);
    this.#readByKeys(Math.min(at.length - 1, Math.max(0, from + step)));
  }

  #readByKeys(index) {
    if (index < 0) return;
    this.#read(this.#data.at[index]);
    this.#isByKeys = true;
    this.#told.textContent = this.#sentence(index);
  }

  #readAt(event) {
    const { at } = this.#data;
    const left = event.clientX - this.#picture.getBoundingClientRect().left;
    const time = scale([SPACE.left, this.#width - SPACE.right], [at[0], at.at(-1)])(left);
    const index = nearest(at, time);
    if (index >= 0) this.#read(at[index]);
  }

  #read(at) {
    this.#isByKeys = false;
    this.#reading = at;
    this.#draw();
  }

  #resize(width) {
    if (width === 0 || Math.round(width) === this.#width) return;
    this.#width = Math.round(width);
    this.#draw();
  }

  #draw() {
    const { at, values } = this.#data;
    const { top, right, bottom, left } = SPACE;
    const marks = valueMarks(Math.max(0, ...values.flat()));
    const x = scale([at[0], at.at(-1)], [left, this.#width - right]);
    const y = scale([0, marks.at(-1)], [HEIGHT - bottom, top]);
    this.#picture.setAttribute("width", this.#width);
    this.#picture.setAttribute("viewBox", `0 0 ${this.#width} ${HEIGHT}`);
    this.#picture.setAttribute("aria-label", this.#summary());
    this.#picture.replaceChildren(
      ...this.#valueAxis(marks, y),
      ...this.#timeAxis(at, x),
      ...values.map((line, index) => this.#line(line, index, x, y)),
      ...this.#cursor(x, y),
    );
  }

  #valueAxis(marks, y) {
    const [start, end] = [SPACE.left, this.#width - SPACE.right];
    return marks.flatMap((mark) => [
      svg("line", { class: mark === 0 ? "plot-base" : "plot-grid", x1: start, x2: end, y1: y(mark), y2: y(mark) }),
      svg("text", { class: "plot-mark", x: start - 8, y: y(mark), "text-anchor": "end", "dominant-baseline": "middle" }, this.#words(mark)),
    ]);
  }

  #timeAxis(at, x) {
    if (at.length === 0) return [];
    const marks = timeMarks(at[0], at.at(-1), Math.max(1, Math.floor((this.#width - SPACE.left) / TIME_MARK)));
    const place = { class: "plot-mark", y: HEIGHT - 6 };
    return marks.map((mark) => {
      const isAtEdge = x(mark) > this.#width - TIME_MARK / 2; // its right half would be cut off
      return svg("text", { ...place, x: x(mark), "text-anchor": isAtEdge ? "end" : "middle" }, wordsOfMark(mark, marks));
    });
  }

  /** A value without neighbours is a dot: as a line it would not be seen. */
  #line(line, index, x, y) {
    const { at } = this.#data;
    const point = (place) => `${x(at[place]).toFixed(1)} ${y(line[place]).toFixed(1)}`;
    const found = runs(line);
    const path = found.filter((run) => run.length > 1).map((run) => `M${run.map(point).join("L")}`);
    const alone = found.filter((run) => run.length === 1).map(([place]) => dot(x(at[place]), y(line[place])));
    return svg("g", { "data-tone": this.#series[index].tone }, svg("path", { class: "plot-line", d: path.join("") }), ...alone);
  }

  /** The line at the time that is read, a dot on each value there, and the words beside it. */
  #cursor(x, y) {
    const { at, values } = this.#data;
    const index = this.#reading === null ? -1 : nearest(at, this.#reading);
    this.#tip.hidden = index < 0;
    if (index < 0) return [];
    const place = x(at[index]);
    const rows = this.#series.map(({ name, tone }, which) => h("li", { "data-tone": tone }, swatch(), `${name} `, h("b", {}, this.#wordsAt(which, index))));
    this.#tip.replaceChildren(h("time", {}, clock.format(at[index])), h("ul", {}, rows));
    const isRight = place > this.#width / 2;
    this.#tip.style.left = isRight ? "auto" : `${place + 10}px`;
    this.#tip.style.right = isRight ? `${this.#width - place + 10}px` : "auto";
    const dots = values.flatMap((line, which) => (line[index] == null ? [] : [svg("g", { "data-tone": this.#series[which].tone }, dot(place, y(line[index])))]));
    return [svg("line", { class: "plot-cursor", x1: place, x2: place, y1: SPACE.top, y2: HEIGHT - SPACE.bottom }), ...dots];
  }

  #wordsAt(which, index) {
    const value = this.#data.values[which][index];
    return value == null ? "nothing" : this.#words(value);
  }

  #sentence(index) {
    const values = this.#series.map(({ name }, which) => `${name} ${this.#wordsAt(which, index)}`);
    return `${clock.format(this.#data.at[index])}: ${values.join(", ")}`;
  }

  #summary() {
    const { at } = this.#data;
    return at.length === 0 ? `${this.#title}: nothing yet` : `${this.#title}, lines over time. ${this.#sentence(at.length - 1)}`;
  }
}

function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

const dot = (x, y) => svg("circle", { class: "plot-dot", cx: x.toFixed(1), cy: y.toFixed(1), r: 3 });

/** The same stroke as the line, so that it is known without its colour. */
const swatch = () => svg("svg", { class: "plot-swatch", width: 18, height: 8, "aria-hidden": "true" }, svg("line", { class: "plot-line", x1: 0, x2: 18, y1: 4, y2: 4 }));

/** Seconds only where they tell marks apart, and the day where the hour does not. */
function wordsOfMark(mark, marks) {
  const step = marks.length > 1 ? marks[1] - marks[0] : 60_000;
  if (step >= 86_400_000) return days.format(mark);
  return (step < 60_000 ? clock : hours).format(mark);
}

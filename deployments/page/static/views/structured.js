// A structured answer for people: names and values, lists, and tables where all entries have the same names.

import { h } from "./element.js";

const DEEPEST = 6;

/** The element for any JSON value. */
export function structured(value, depth = 0) {
  if (Array.isArray(value)) return list(value, depth);
  if (value !== null && typeof value === "object") return fields(value, depth);
  return h("span", { class: `value ${value === null ? "null" : typeof value}` }, wordsFor(value));
}

function fields(object, depth) {
  if (depth > DEEPEST) return h("code", {}, JSON.stringify(object));
  const pairs = Object.entries(object).flatMap(([name, value]) => [
    h("dt", {}, labelOf(name)),
    h("dd", {}, structured(value, depth + 1)),
  ]);
  return h("dl", { class: "fields" }, pairs);
}

function list(items, depth) {
  if (items.length === 0) return h("span", { class: "value null" }, "none");
  const columns = columnsOf(items);
  if (columns) return table(items, columns, depth);
  return h("ul", {}, items.map((item) => h("li", {}, structured(item, depth + 1))));
}

/** The names that all entries have, if they are objects of the same simple kind. */
function columnsOf(items) {
  const isPlain = (item) => item !== null && typeof item === "object" && !Array.isArray(item);
  if (items.length < 2 || !items.every(isPlain)) return null;
  const columns = Object.keys(items[0]);
  const isAlike = items.every((item) => Object.keys(item).join() === columns.join());
  const isFlat = items.every((item) => Object.values(item).every((value) => value === null || typeof value !== "object"));
  return isAlike && isFlat && columns.length > 0 ? columns : null;
}

function table(items, columns, depth) {
  const head = h("tr", {}, columns.map((name) => h("th", { scope: "col" }, labelOf(name))));
  const rows = items.map((item) => h("tr", {}, columns.map((name) => h("td", {}, structured(item[name], depth + 1)))));
  const body = h("table", {}, h("thead", {}, head), h("tbody", {}, rows));
  return h("div", { class: "table-frame", tabindex: "0", role: "region", "aria-label": "Table" }, body);
}

const wordsFor = (value) => (value === null ? "none" : { true: "yes", false: "no" }[value] ?? String(value));

/** `due_date` reads as "Due date". */
function labelOf(name) {
  const words = name.replaceAll(/[_-]+/g, " ").trim();
  return words ? words[0].toUpperCase() + words.slice(1) : name;
}

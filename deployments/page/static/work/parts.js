// The small parts that the views of work are made of.

import { h } from "../views/element.js";
import { distanceTo, instantOf } from "../views/words.js";

/** How something stands; `tone` is `ok`, `busy`, `waits`, `bad` or `over`. */
export const stateMark = (tone, words) => h("span", { class: "state", "data-tone": tone }, words);

/** What is known of a thing, as pairs of a name and a text or node; those without one are left out. */
export function facts(pairs) {
  const known = pairs.filter(([, value]) => value != null && value !== "");
  return h("dl", { class: "facts" }, known.flatMap(([name, value]) => [h("dt", {}, name), h("dd", { dir: "auto" }, value)]));
}

/** A part of a view under a heading. */
export const section = (title, ...content) => h("section", { "aria-label": title }, h("h3", {}, title), ...content);

/** A value as indented JSON; `open` says whether it is shown without being asked for. */
export function jsonPart(title, value, open = false) {
  const text = h("pre", { class: "json", tabindex: "0", "aria-label": title }, JSON.stringify(value, null, 2));
  return open ? section(title, text) : h("details", { class: "fold", "data-key": title }, h("summary", {}, title), text);
}

/** A moment as its distance from now, with the exact one on demand; nothing for null. */
export function moment(at) {
  return at == null ? null : h("time", { datetime: new Date(at).toISOString(), title: instantOf(at) }, distanceTo(at));
}

/** How much of something is done, `total` null: of how much is not known. */
export function progressBar({ done, total, note }) {
  const words = [total == null ? `${done}` : `${done} of ${total}`, note].filter(Boolean).join(" · ");
  const bar = total > 0 && h("progress", { max: total, value: done, "aria-label": "Progress" });
  return h("div", { class: "progress" }, bar, h("span", { class: "quiet" }, words));
}

/** A time span in ms, in the two largest units that count. */
export function durationOf(ms) {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** Whose things may be listed, as a field of `Filters`; null for a person who may see only their own. */
export function whoseField({ roles, scopes }) {
  const isOperator = roles.includes("operator");
  if (!scopes.includes("admin") || !(isOperator || roles.includes("admin"))) return null;
  return { name: "whose", label: "Whose", options: [["", "Mine"], ["all", isOperator ? "Of all" : "Of the tenant"]] };
}

/** Whether the person's credential may change anything. */
export const mayWrite = ({ scopes }) => scopes.includes("write");

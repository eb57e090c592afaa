// The list of conversations: grouped by day, one Tab stop, arrow keys inside.

import { h } from "./element.js";
import { activityOf, dayOf } from "./words.js";

const STEPS = { ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity };

export class Sidebar {
  #nav;
  #onMore;

  constructor(nav, onMore) {
    this.#nav = nav;
    this.#onMore = onMore;
    nav.addEventListener("keydown", (event) => this.#keyed(event));
  }

  /** Shows `conversations` (newest first), of which `openId` is the open one. */
  render({ items, next, isLoaded, isFiltered }, openId) {
    const focused = this.#nav.contains(document.activeElement) ? document.activeElement.dataset.id : null;
    const groups = Map.groupBy(items, (item) => dayOf(item.updated_at));
    const lists = [...groups].map(([day, members]) => this.#group(day, members, openId));
    const more = next !== null && h("button", { type: "button", class: "link more", onclick: this.#onMore }, "Show earlier ones");
    const empty = isLoaded && items.length === 0 && h("p", { class: "quiet none" }, isFiltered ? "Nothing found." : "No conversations yet.");
    this.#nav.replaceChildren(...[...lists, more, empty].filter(Boolean));
    const links = this.#links();
    (links.find((link) => link.dataset.id === (openId ?? "")) ?? links[0])?.setAttribute("tabindex", "0");
    if (focused) links.find((link) => link.dataset.id === focused)?.focus();
  }

  #group(day, items, openId) {
    return h("section", {}, h("h2", {}, day), h("ul", {}, items.map((item) => h("li", {}, this.#link(item, openId)))));
  }

  #link(item, openId) {
    const attributes = {
      href: `#/c/${encodeURIComponent(item.id)}`,
      class: "conversation",
      tabindex: "-1",
      "data-id": item.id,
      "data-state": item.state,
      "aria-current": item.id === openId ? "page" : null,
    };
    const found = item.match?.in === "messages" && h("span", { class: "quiet found", dir: "auto" }, item.match.text);
    const words = h("span", { class: "words" }, h("span", { class: "title", dir: "auto" }, item.title || "Untitled"), found);
    return h("a", attributes, words, sign(item));
  }

  #links() {
    return [...this.#nav.querySelectorAll("a.conversation")];
  }

  #keyed(event) {
    const step = STEPS[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const links = this.#links();
    const at = links.indexOf(document.activeElement);
    links[Math.min(links.length - 1, Math.max(0, at + step))]?.focus();
  }
}

/** What a conversation does now; nothing when it is idle. */
function sign(item) {
  const label = activityOf(item);
  if (label === "") return null;
  return h("span", { class: "sign", title: label }, h("span", { class: "visually-hidden" }, `, ${label}`));
}

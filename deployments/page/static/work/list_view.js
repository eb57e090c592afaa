// A view that lists something: filters, a table, and earlier ones on demand; kept up to date while it is open.

import { toast } from "../views/dialog.js";
import { h } from "../views/element.js";
import { Filters } from "./filters.js";
import { Listing } from "./listing.js";
import { Polling } from "./polling.js";
import { Table } from "./table.js";

/** How often to look, in ms: while something is under way, and while nothing is. */
const BUSY = 4_000;
const QUIET = 15_000;

export class ListView {
  title;
  tab;
  node;
  #listing;
  #table;
  #filters;
  #polling;
  #empty;
  #isUnderWay;
  #isAbout;
  #note = h("p", { class: "quiet view-note", role: "status" });
  #more = h("button", { type: "button", class: "link view-more", hidden: true, onclick: () => this.#showMore() }, "Show earlier ones");

  /**
   * `head` are further nodes beside the title, `fields` those of `Filters`. `ask(wanted)` fetches a page of what is wanted
   * as `{items, next}`; `columns` and `keyOf` are those of `Table`. `empty` is said of an empty list, and
   * `isUnderWay(item)` tells that an item may soon change, `isAbout(event)` that an event of the feed has changed one.
   */
  constructor({ title, tab, head = [], fields = [], params, link, ask, columns, keyOf, empty, isUnderWay = never, isAbout = never }) {
    this.title = title;
    this.tab = tab;
    this.#empty = empty;
    this.#isAbout = isAbout;
    this.#isUnderWay = isUnderWay;
    this.#filters = new Filters(fields, params, () => this.#startAnew());
    this.#listing = new Listing((page) => ask({ ...this.#filters.wanted, ...page }), { keyOf });
    this.#table = new Table({ caption: title, columns, keyOf });
    const header = h("header", { class: "view-head" }, h("h2", { id: "view-title" }, title), h("span", { class: "spacer" }), head);
    const rows = [this.#table.node, this.#note, this.#more];
    this.node = h("div", { class: "view" }, header, fields.length > 0 && this.#filters.node, rows);
    this.#table.node.hidden = true;
    this.#polling = new Polling(() => this.#look(), { link, onRefused: (error) => this.#refuse(error) });
  }

  close() {
    this.#polling.stop();
  }

  wake() {
    this.#polling.now();
  }

  told(event) {
    if (this.#isAbout(event)) this.#polling.soon();
  }

  #startAnew() {
    this.#listing.restart();
    this.#polling.now();
  }

  async #look() {
    await this.#listing.refresh();
    this.#render();
    return this.#listing.items.some(this.#isUnderWay) ? BUSY : QUIET;
  }

  #render() {
    const { items, isLoaded, hasMore } = this.#listing;
    if (!isLoaded) return;
    const isFiltered = Object.keys(this.#filters.wanted).length > 0;
    this.#table.node.hidden = items.length === 0;
    this.#table.render(items);
    const words = items.length > 0 ? "" : isFiltered ? "Nothing found." : this.#empty;
    if (this.#note.textContent !== words) this.#note.textContent = words;
    this.#more.hidden = !hasMore;
  }

  async #showMore() {
    this.#more.disabled = true;
    try {
      await this.#listing.more();
      this.#render();
    } catch (error) {
      toast(error.message);
    } finally {
      this.#more.disabled = false;
    }
  }

  #refuse(error) {
    this.#table.node.hidden = true;
    this.#more.hidden = true;
    this.#note.textContent = error.message;
  }
}

const never = () => false;

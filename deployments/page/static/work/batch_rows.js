// The rows of a batch: those that failed, those that wait for people, and the conversation of any of them.

import { conversationAddress } from "../address.js";
import { toast } from "../views/dialog.js";
import { h } from "../views/element.js";
import * as api from "./api.js";
import { section } from "./parts.js";
import { Table } from "./table.js";

const PAGE = 50;
/** Of the rows that wait for people so many are shown. */
const MAX_WAITING = 20;

export class BatchRows {
  #id;
  #failures = [];
  #waiting = [];
  #hasMore = false;
  /** What the batch had come to when its rows were fetched. */
  #seen = null;
  #table = new Table({
    caption: "Failed rows",
    columns: [
      { title: "Row", cell: (failure) => rowLink(failure) },
      { title: "Why", cell: ({ error }) => h("span", { class: "error-words", dir: "auto" }, error) },
    ],
    keyOf: ({ row }) => String(row),
  });
  #more = h("button", { type: "button", class: "link view-more", onclick: () => this.#showMore() }, "Show more");
  #failed = section("Failed rows", this.#table.node, this.#more);

  constructor(id) {
    this.#id = id;
  }

  /** Fetches what may have changed since the last look. */
  async look({ failed, state }) {
    const seen = `${failed} ${state}`;
    if (seen === this.#seen && state !== "waiting") return;
    const limit = Math.max(PAGE, this.#failures.length);
    const { failures, waiting } = await api.batchFailures(this.#id, { limit });
    this.#take(failures, failures.length === limit, waiting);
    this.#seen = seen;
  }

  /** The nodes. */
  parts() {
    this.#table.render(this.#failures);
    this.#more.hidden = !this.#hasMore;
    return [this.#waitingPart(), this.#failures.length > 0 && this.#failed];
  }

  #waitingPart() {
    if (this.#waiting.length === 0) return null;
    const links = this.#waiting.slice(0, MAX_WAITING).map((place) => h("li", {}, rowLink(place)));
    const rest = this.#waiting.length > MAX_WAITING && h("li", { class: "quiet" }, "and more");
    return section("Rows that wait for people", h("ul", { class: "row-links" }, links, rest));
  }

  #take(failures, hasMore, waiting) {
    this.#failures = failures;
    this.#hasMore = hasMore;
    this.#waiting = waiting;
  }

  async #showMore() {
    try {
      const after = this.#failures.at(-1).row;
      const { failures, waiting } = await api.batchFailures(this.#id, { after, limit: PAGE });
      this.#take([...this.#failures, ...failures], failures.length === PAGE, waiting);
      this.parts();
    } catch (error) {
      toast(error.message);
    }
  }
}

/** A row with the way to its conversation; one that never became a message has none. */
function rowLink({ row, conversation_id: id }) {
  return id ? h("a", { href: conversationAddress(id) }, `Row ${row}`) : `Row ${row}`;
}

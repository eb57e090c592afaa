// The rows of a batch: those that failed, those that wait for people, and the conversation of any of them.

import { conversationAddress } from "../address.js";
import { toast } from "../views/dialog.js";
import { h } from "../views/element.js";
import { costOf, countOf } from "../views/words.js";
import * as api from "./api.js";
import { field, reasonOf, textInput } from "./field.js";
import { facts, section } from "./parts.js";
import { Table } from "./table.js";

const PAGE = 50;
const MICRO = 1_000_000;
const STATUS = {
  succeeded: "has succeeded",
  failed: "has failed",
  not_valid: "could not become a message",
  not_finished: "goes on",
  waiting: "waits for people",
  not_run: "has not begun",
};
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

  #number = textInput("", { type: "number", min: "1", step: "1", required: true, inputmode: "numeric" });
  #found = h("div", { role: "status" });
  #finder = section("One row", h("form", { class: "row-finder", onsubmit: (event) => this.#find(event) }, field("Row", this.#number), h("button", { class: "button" }, "Look up")), this.#found);

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
    return [this.#waitingPart(), this.#failures.length > 0 && this.#failed, this.#finder];
  }

  #waitingPart() {
    if (this.#waiting.length === 0) return null;
    const links = this.#waiting.slice(0, MAX_WAITING).map((place) => h("li", {}, rowLink(place)));
    const rest = this.#waiting.length > MAX_WAITING && h("li", { class: "quiet" }, "and more");
    return section("Rows that wait for people", h("ul", { class: "row-links" }, links, rest));
  }

  async #find(event) {
    event.preventDefault();
    try {
      this.#found.replaceChildren(...rowFound(await api.batchRow(this.#id, Number(this.#number.value))));
    } catch (error) {
      this.#found.replaceChildren(h("p", { class: "form-error" }, reasonOf(error)));
    }
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

/** What has become of a row. */
function rowFound({ row, status, answer, error, error_detail: detail, conversation_id: id, model, input_tokens: input, output_tokens: output, cost_usd: cost }) {
  const why = [error, detail].filter(Boolean).join(": ");
  return [
    h("p", {}, rowLink({ row, conversation_id: id }), ` ${STATUS[status] ?? status}`),
    why && h("p", { class: "error-words", dir: "auto" }, why),
    answer && h("p", { class: "said", dir: "auto" }, answer),
    facts([["Model", model], ["Tokens", input + output > 0 ? countOf(input + output) : null], ["Cost", cost > 0 ? costOf(cost * MICRO) : null]]),
  ].filter(Boolean);
}

/** A row with the way to its conversation; one that never became a message has none. */
function rowLink({ row, conversation_id: id }) {
  return id ? h("a", { href: conversationAddress(id) }, `Row ${row}`) : `Row ${row}`;
}

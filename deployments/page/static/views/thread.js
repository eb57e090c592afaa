// The messages as elements; an element is kept as long as its row's key is on the screen.

import { h, icon } from "./element.js";
import { assistantRow, noticeRow, remarkRow, summaryRow, userRow, workingRow } from "./message.js";
import { questionRow } from "./question_row.js";
import { toolRow } from "./tool_card.js";

const KINDS = {
  user: userRow,
  assistant: assistantRow,
  tool: toolRow,
  question: questionRow,
  notice: noticeRow,
  remark: remarkRow,
  summary: summaryRow,
  working: workingRow,
};
const NEAR_BOTTOM = 64;
const NEAR_TOP = 240;

export class Thread {
  #scroller;
  #list = h("div", { class: "rows" });
  #older = h("p", { class: "older", hidden: true }, "Loading earlier messages…");
  #jump;
  #shown = new Map();
  #actions;
  #isStuck = true;

  /** `actions` are what rows can ask for, and `loadOlder` for the top. */
  constructor(scroller, dock, actions) {
    this.#scroller = scroller;
    this.#actions = actions;
    this.#jump = h(
      "button",
      { type: "button", class: "jump", hidden: true, onclick: () => this.toBottom() },
      icon("down"),
      h("span", {}, "Latest"),
    );
    dock.prepend(this.#jump);
    scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    new ResizeObserver(() => this.#isStuck && this.toBottom()).observe(scroller);
  }

  /** Empties the thread, for another conversation or for `content` that is not one. */
  clear(content = null) {
    this.#shown.clear();
    this.#list.replaceChildren();
    this.#scroller.replaceChildren(...(content ? [content] : [this.#older, this.#list]));
    this.#isStuck = true;
    this.#jump.hidden = true;
  }

  render(rows) {
    const { scrollHeight, scrollTop } = this.#scroller;
    const grewAbove = this.#firstKey() !== undefined && rows.length > 0 && this.#firstKey() !== rows[0].key;
    const isAnswered = rows.at(-1)?.kind === "user" && !this.#shown.has(rows.at(-1).key);
    this.#drop(rows);
    this.#place(rows);
    if (this.#isStuck || isAnswered) this.toBottom();
    else if (grewAbove) this.#scroller.scrollTop = scrollTop + this.#scroller.scrollHeight - scrollHeight;
  }

  toBottom() {
    this.#isStuck = true;
    this.#jump.hidden = true;
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }

  #firstKey() {
    return this.#shown.keys().next().value;
  }

  #drop(rows) {
    const keys = new Set(rows.map((row) => row.key));
    for (const [key, { node }] of this.#shown) {
      if (keys.has(key)) continue;
      node.remove();
      this.#shown.delete(key);
    }
  }

  #place(rows) {
    const shown = new Map();
    let cursor = this.#list.firstChild;
    for (const row of rows) {
      const entry = this.#shown.get(row.key) ?? this.#created(row);
      if (entry.row !== row) {
        entry.row = row;
        entry.update(row);
      }
      if (entry.node === cursor) cursor = cursor.nextSibling;
      else this.#list.insertBefore(entry.node, cursor);
      shown.set(row.key, entry);
    }
    this.#shown = shown;
  }

  #created(row) {
    const entry = KINDS[row.kind](this.#actions);
    entry.node.dataset.key = row.key;
    return { ...entry, row: null };
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    this.#isStuck = scrollHeight - scrollTop - clientHeight < NEAR_BOTTOM;
    this.#jump.hidden = this.#isStuck;
    if (scrollTop < NEAR_TOP && this.#shown.size > 0) this.#loadOlder();
  }

  async #loadOlder() {
    const loading = this.#actions.loadOlder();
    if (!loading) return;
    this.#older.hidden = false;
    // A page that did not come is asked for again at the next scroll.
    await loading.catch(() => undefined);
    this.#older.hidden = true;
  }
}

// A table of which only those rows change on the screen that have changed; on a narrow screen it keeps what matters most.

import { h } from "../views/element.js";
import { refill } from "./refill.js";

export class Table {
  node;
  #body = h("tbody");
  #columns;
  #keyOf;

  /**
   * `columns` are `{title, cell(item), wide}`: the first one heads the row, and a wide one is shown only where there is
   * room. `keyOf(item)` tells items apart.
   */
  constructor({ caption, columns, keyOf = ({ id }) => id }) {
    this.#columns = columns;
    this.#keyOf = keyOf;
    const heads = columns.map(({ title, wide }) => h("th", { scope: "col", class: wide && "wide" }, title));
    const name = h("caption", { class: "visually-hidden" }, caption);
    this.node = h("table", { class: "table" }, name, h("thead", {}, h("tr", {}, heads)), this.#body);
  }

  render(items) {
    refill(this.#body, items.map((item) => this.#row(item)));
  }

  #row(item) {
    const cells = this.#columns.map(({ cell, wide }, index) => {
      const attributes = { class: wide && "wide" };
      return index === 0 ? h("th", { scope: "row", ...attributes }, cell(item)) : h("td", attributes, cell(item));
    });
    return h("tr", { "data-key": this.#keyOf(item) }, cells);
  }
}

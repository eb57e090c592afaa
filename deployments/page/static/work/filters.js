// What is looked for in a list: kept in the address, so that it can be linked.

import { replaceParams } from "../address.js";
import { h } from "../views/element.js";

const HURRY = 300;

export class Filters {
  node;
  #fields;
  #onChange;
  #timer = null;

  /**
   * `fields` are `{name, label, options: [[value, words]]}` to choose from, or `{name, label}` to be written; `params` are
   * those of the address. `onChange()` is told that something else is wanted.
   */
  constructor(fields, params, onChange) {
    this.#onChange = onChange;
    this.#fields = fields.map((field) => ({ name: field.name, input: inputFor(field, params[field.name] ?? "") }));
    const submit = (event) => {
      event.preventDefault();
      this.#changed();
    };
    const labels = fields.map(({ label }, index) => h("label", {}, h("span", {}, label), this.#fields[index].input));
    this.node = h("form", { class: "view-filters", role: "search", "aria-label": "What is listed", onsubmit: submit }, labels);
    this.node.addEventListener("input", ({ target }) => this.#soon(target.matches("select") ? 0 : HURRY));
  }

  /** What is wanted, by the names of the fields that have a value. */
  get wanted() {
    const given = this.#fields.map(({ name, input }) => [name, input.value.trim()]);
    return Object.fromEntries(given.filter(([, value]) => value));
  }

  #soon(pause) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#changed(), pause);
  }

  #changed() {
    clearTimeout(this.#timer);
    if (!this.node.isConnected) return; // another view has the address
    replaceParams(this.wanted);
    this.#onChange();
  }
}

function inputFor({ options }, value) {
  if (!options) {
    const input = h("input", { type: "text", autocomplete: "off", spellcheck: "false", maxlength: "128" });
    input.value = value;
    return input;
  }
  const listed = options.map(([choice, words]) => h("option", { value: choice, selected: choice === value }, words));
  return h("select", {}, listed);
}

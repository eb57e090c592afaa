// The search above the list: words, and filters that are shown on demand.

import { h, icon, iconButton } from "./element.js";

const HURRY = 250;
const CHANNELS = ["web", "api", "cli", "telegram", "scheduled", "batch"];
const STATES = {
  awaiting_input: { label: "Needs a person", state: ["awaiting_input"] },
  running: { label: "Running", state: ["preparing", "executing_tools"] },
  idle: { label: "At rest", state: ["idle"] },
};
/** What the service takes as one search. */
const LONGEST = 200;

export class Finder {
  node;
  #onFind;
  #text;
  #channel = choice("Channel", "All but batches", [["any", "All channels"], ...CHANNELS.map((name) => [name, name])]);
  #agent = choice("Agent", "All agents", []);
  #state = choice("State", "All states", Object.entries(STATES).map(([name, { label }]) => [name, label]));
  #archived = h("input", { type: "checkbox" });
  #timer = null;

  /** `onFind(wanted)` is told what is looked for, as `Conversations.find` takes it. */
  constructor(node, onFind) {
    this.node = node;
    this.#onFind = onFind;
    const label = "Search conversations";
    this.#text = h("input", { type: "search", "aria-label": label, placeholder: "Search", maxlength: LONGEST, autocomplete: "off" });
    const archived = h("label", { class: "filter" }, this.#archived, "Archived ones");
    const filters = h("div", { class: "filters", id: "filters", hidden: true }, this.#channel, this.#agent, this.#state, archived);
    const toggle = iconButton("filter", "Filter", () => show(filters.hidden), { "aria-expanded": "false", "aria-controls": "filters" });
    const show = (isShown) => {
      filters.hidden = !isShown;
      toggle.setAttribute("aria-expanded", String(isShown));
      if (isShown) this.#channel.focus();
    };
    this.#text.addEventListener("input", () => this.#soon());
    filters.addEventListener("change", () => this.#find());
    const submit = (event) => {
      event.preventDefault();
      this.#find();
    };
    const line = h("div", { class: "finder-line" }, icon("search"), this.#text, toggle);
    node.replaceChildren(h("form", { role: "search", onsubmit: submit }, line, filters));
  }

  /** Offers the agents of these names to filter by. */
  offer(names) {
    const [all] = this.#agent.options;
    this.#agent.replaceChildren(all, ...names.map((name) => h("option", { value: name }, name)));
  }

  #soon() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#find(), HURRY);
  }

  #find() {
    clearTimeout(this.#timer);
    const text = this.#text.value.trim();
    this.#onFind({
      // The service looks for words: what has none finds nothing to look for.
      ...(/[^\s"]/.test(text) && { text }),
      ...(this.#channel.value && { channel: this.#channel.value }),
      ...(this.#agent.value && { agent: this.#agent.value }),
      ...(this.#state.value && { state: STATES[this.#state.value].state }),
      ...(this.#archived.checked && { archived: true }),
    });
  }
}

function choice(label, all, options) {
  const listed = [["", all], ...options].map(([value, words]) => h("option", { value }, words));
  return h("select", { "aria-label": label }, listed);
}

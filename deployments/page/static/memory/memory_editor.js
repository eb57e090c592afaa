// One memory: its words, which the person may correct or have forgotten.

import { addressOf } from "../address.js";
import { confirm } from "../views/dialog.js";
import { h, icon } from "../views/element.js";
import { complain, errorLine } from "../views/form_parts.js";
import { field, reasonOf, textArea, viewForm } from "../work/field.js";
import { facts, moment } from "../work/parts.js";
import * as api from "./api.js";
import { sourceOf } from "./memories.js";

const LIST = addressOf(["memory", "remembered"]);
const MAX_CHARACTERS = 500;

/** A view of the memory, once it is here. */
export function editMemory(id, context) {
  const view = { title: "Memory", tab: "remembered", node: h("div", { class: "view" }, h("p", { class: "quiet" }, "…")) };
  api.memory(id).then(
    (memory) => view.node.replaceWith((view.node = new MemoryEditor(memory, context).node)),
    (error) => view.node.replaceChildren(h("h2", { id: "view-title" }, "Memory"), h("p", { class: "view-error" }, error.message)),
  );
  return view;
}

export class MemoryEditor {
  tab = "remembered";
  title;
  node;
  #memory;
  #text;
  #error = errorLine();
  #save = h("button", { class: "button primary" }, "Save");

  /** `memory` is the one that is corrected, null: a new one is made. */
  constructor(memory, { who }) {
    this.#memory = memory;
    this.title = memory ? "Memory" : "New memory";
    this.#text = textArea(memory?.text, { rows: "3", required: true, maxlength: String(MAX_CHARACTERS) });
    const up = h("a", { class: "icon-button", href: LIST, "aria-label": "Back", title: "Back" }, icon("back"));
    const header = h("header", { class: "view-head" }, up, h("h2", { id: "view-title" }, this.title));
    const form = viewForm((event) => this.#submit(event));
    const mayWrite = who.scopes.includes("write");
    this.#text.readOnly = !mayWrite;
    const forget = memory && h("button", { type: "button", class: "button danger", onclick: () => this.#forget() }, "Forget");
    const actions = mayWrite && h("div", { class: "actions" }, this.#save, forget, h("a", { class: "button", href: LIST }, "Discard"));
    form.append(field("What agents remember", this.#text, "One short sentence, nothing secret."), this.#error, actions || "");
    this.node = h("div", { class: "view" }, header, form, memory && aboutOf(memory));
  }

  async #submit(event) {
    event.preventDefault();
    const { id, revision } = this.#memory ?? {};
    const text = this.#text.value;
    await this.#do(() => (id ? api.correctMemory(id, text, revision) : api.addMemory(text)));
  }

  async #forget() {
    const sure = await confirm({ title: "Forget this?", text: "No agent will know it any more.", action: "Forget it", dismiss: "Keep it" });
    if (sure) await this.#do(() => api.forgetMemory(this.#memory.id));
  }

  async #do(act) {
    this.#save.disabled = true;
    complain(this.#error, "");
    try {
      await act();
      location.hash = LIST;
    } catch (error) {
      complain(this.#error, reasonOf(error));
    } finally {
      this.#save.disabled = false;
    }
  }
}

const aboutOf = ({ source, created_at: made, updated_at: changed }) =>
  facts([
    ["From", sourceOf(source)],
    ["Since", moment(made)],
    ["Corrected", changed === made ? null : moment(changed)],
  ]);

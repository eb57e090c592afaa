// The standing instructions: what the person tells every agent.

import { h } from "../views/element.js";
import { complain, errorLine } from "../views/form_parts.js";
import { field, reasonOf, textArea, viewForm } from "../work/field.js";
import * as api from "./api.js";

const MAX_CHARACTERS = 2000;

export class InstructionsEditor {
  tab = "instructions";
  title = "Instructions";
  node;
  /** The version that the person has read; null until it is here. */
  #version = null;
  #text = textArea("", { rows: "12", maxlength: String(MAX_CHARACTERS) });
  #note = h("p", { class: "quiet view-note", role: "status" });
  #error = errorLine();
  #save = h("button", { class: "button primary", disabled: true }, "Save");

  constructor({ who }) {
    const form = viewForm((event) => this.#submit(event));
    const note = `Every agent reads them before it answers you: at most ${MAX_CHARACTERS} characters. An agent changes them only when you approve it.`;
    const actions = who.scopes.includes("write") && h("div", { class: "actions" }, this.#save);
    this.#text.readOnly = !actions;
    form.append(field("What you tell every agent", this.#text, note), this.#error, this.#note, actions || "");
    this.node = h("div", { class: "view" }, h("header", { class: "view-head" }, h("h2", { id: "view-title" }, this.title)), form);
    this.#load();
  }

  async #load() {
    try {
      const { text, version } = await api.instructions();
      this.#text.value = text;
      this.#version = version;
      this.#save.disabled = false;
    } catch (error) {
      complain(this.#error, reasonOf(error));
    }
  }

  async #submit(event) {
    event.preventDefault();
    this.#save.disabled = true;
    this.#note.textContent = "";
    complain(this.#error, "");
    try {
      this.#version = (await api.setInstructions(this.#text.value, this.#version)).version;
      this.#note.textContent = "Saved.";
    } catch (error) {
      complain(this.#error, reasonOf(error));
    } finally {
      this.#save.disabled = false;
    }
  }
}

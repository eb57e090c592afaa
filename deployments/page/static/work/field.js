// The fields of a form: each with its label, and a note on what may be written.

import { h } from "../views/element.js";

let fields = 0;

/** The form of a view; a field that is not valid is shown, where it is. */
export function viewForm(onsubmit) {
  const form = h("form", { class: "view-form", onsubmit });
  form.addEventListener("invalid", ({ target }) => target.closest("details")?.toggleAttribute("open", true), true);
  return form;
}

/** What the service says against a form: without the words that place it in the body of a request. */
export const reasonOf = ({ message }) => message.replace(/^body[.:] ?/, "").replace("Value error, ", "");

/** A labelled `input`; `note` is a text or node beneath it. */
export function field(label, input, note = null) {
  const id = `field-${++fields}`;
  input.id = id;
  if (note) input.setAttribute("aria-describedby", `${id}-note`);
  const beneath = note && h("span", { class: "quiet", id: `${id}-note` }, note);
  return h("div", { class: "field" }, h("label", { for: id }, label), input, beneath);
}

export function textInput(value, attributes = {}) {
  const input = h("input", { type: "text", autocomplete: "off", ...attributes });
  input.value = value ?? "";
  return input;
}

export function textArea(value, attributes = {}) {
  const area = h("textarea", { rows: "6", ...attributes });
  area.value = value ?? "";
  return area;
}

/** `options` are `[value, words]`. */
export function selectInput(value, options, attributes = {}) {
  const select = h("select", attributes, options.map(([choice, words]) => h("option", { value: choice }, words)));
  select.value = value;
  return select;
}

/** A choice of the models that the agent chosen in `agent` has; empty: its own. */
export function modelInput(agent, current, agents) {
  const input = h("select");
  const offer = () => {
    const { model, models = [] } = agents.find(agent.value) ?? {};
    const others = models.filter((name) => name !== model).map((name) => h("option", { value: name }, name));
    input.replaceChildren(h("option", { value: "" }, model ? `the agent's own, ${model}` : "the agent's own"), ...others);
  };
  agent.addEventListener("change", offer);
  offer();
  input.value = current ?? "";
  if (input.selectedIndex < 0) input.value = "";
  return input;
}

/** Radio buttons, one of which shows its fields: `choices` are `{value, label, fields}`. */
export class Alternatives {
  node;
  #choices;
  #radios;

  constructor(legend, choices, value) {
    const name = `field-${++fields}`;
    this.#choices = choices;
    this.#radios = choices.map((choice) => h("input", { type: "radio", name, value: choice.value, checked: choice.value === value }));
    const labels = choices.map(({ label }, index) => h("label", { class: "choice" }, this.#radios[index], label));
    const bodies = choices.flatMap((choice) => choice.fields);
    this.node = h("fieldset", { class: "alternatives" }, h("legend", {}, legend), h("div", { class: "choices" }, labels), bodies);
    this.node.addEventListener("change", () => this.#show());
    this.#show();
  }

  get value() {
    return this.#radios.find((radio) => radio.checked)?.value;
  }

  /** What is not chosen is neither shown nor checked. */
  #show() {
    for (const choice of this.#choices) {
      for (const shown of choice.fields) {
        shown.hidden = choice.value !== this.value;
        for (const input of shown.querySelectorAll("input, select, textarea")) input.disabled = shown.hidden;
      }
    }
  }
}

/** A moment of a `datetime-local` input, in ms; null if none is chosen. */
export const momentIn = (input) => (input.value ? new Date(input.value).getTime() : null);

/** The value of a `datetime-local` input for a moment in ms, on the clock of this browser. */
export function localValue(at) {
  if (at == null) return "";
  return new Date(at - new Date(at).getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

export const ownZone = () => Intl.DateTimeFormat().resolvedOptions().timeZone;

// The buttons and forms to answer a question; only the allowed decisions appear.

import { argumentsEditor } from "./arguments_editor.js";
import { h } from "./element.js";
import { button, onEnter, pretty } from "./form_parts.js";
import { questionFields } from "./question_form.js";

/** What each kind of question takes when the question itself does not say. */
const USUAL = { approval: ["approve", "reject", "edit", "respond"], elicitation: ["respond", "reject"] };
/** The order in which they appear, and how each is made. */
const MAKERS = {
  approval: { approve: "approve", reject: "reject", edit: "edit", respond: "reply" },
  elicitation: { respond: "answer", reject: "decline" },
};

export class Controls {
  #row;
  #attempt;
  #allowAlways;
  #subject;
  #drawers = [];

  /** `attempt(resolution, before)` sends an answer, after `before` if that is given; `allowAlways` may be null. */
  constructor(row, attempt, allowAlways) {
    this.#row = row;
    this.#attempt = attempt;
    this.#allowAlways = allowAlways;
    this.#subject = subjectOf(row);
  }

  nodes() {
    const { kind, decisions } = this.#row.suspension;
    const allowed = new Set(decisions.length ? decisions : USUAL[kind]);
    const made = Object.entries(MAKERS[kind]).filter(([decision]) => allowed.has(decision)).map(([, name]) => this.#make(name));
    const always = allowed.has("approve") && this.#allowAlways && this.#make("always");
    const buttons = [...made, ...(always ? [always] : [])].map((control) => control.button);
    const fields = made.flatMap((control) => control.fields ?? []);
    return [this.#subject, ...fields, h("div", { class: "actions" }, buttons), ...this.#drawers].filter(Boolean);
  }

  #make(name) {
    return {
      approve: () => ({ button: button("Approve", "primary", () => this.#attempt({ decision: "approve" })) }),
      always: () => this.#always(),
      reject: () => this.#refusal("Reject", ""),
      decline: () => this.#refusal("Decline", "plain"),
      edit: () => this.#edit(),
      reply: () => this.#reply(),
      answer: () => this.#answer(),
    }[name]();
  }

  #always() {
    const approve = () => this.#attempt({ decision: "approve" }, this.#allowAlways);
    return { button: button(`Always allow ${this.#row.name}`, "plain", approve) };
  }

  #refusal(label, style) {
    const reason = h("input", { type: "text", "aria-label": "Reason", placeholder: "Reason (optional)" });
    const given = () => reason.value.trim();
    const submit = () => this.#attempt({ decision: "reject", ...(given() && { reason: given() }) });
    reason.addEventListener("keydown", onEnter(submit));
    return this.#drawer(`${label}…`, style, h("div", { class: "inline-form" }, reason, button(label, "danger", submit)));
  }

  #edit() {
    const values = this.#row.suspension.form?.call?.arguments ?? this.#row.arguments;
    const submit = (changed) => this.#attempt({ decision: "edit", arguments: changed });
    return this.#drawer("Edit arguments…", "", argumentsEditor(values, submit));
  }

  #reply() {
    const { area, submit } = this.#words();
    const send = button("Send instead of a result", "", submit);
    return this.#drawer("Answer instead…", "plain", h("div", { class: "inline-form tall" }, area, h("div", { class: "actions" }, send)));
  }

  #answer() {
    const { form } = this.#row.suspension;
    if (form?.questions?.length) return this.#questions(form.questions);
    const { area, submit } = this.#words();
    return { fields: [area], button: button("Answer", "primary", submit) };
  }

  #questions(questions) {
    const { nodes, read } = questionFields(questions);
    const submit = () => {
      const answer = read();
      if (answer) this.#attempt({ decision: "respond", answer });
    };
    for (const node of nodes) node.addEventListener("keydown", onEnter(submit));
    return { fields: nodes, button: button("Answer", "primary", submit) };
  }

  #words() {
    const area = h("textarea", { rows: "2", "aria-label": "Your answer", placeholder: "Your answer" });
    const submit = () => area.value.trim() && this.#attempt({ decision: "respond", answer: area.value });
    area.addEventListener("keydown", onEnter(submit));
    return { area, submit };
  }

  /** A button that opens `drawer` and shuts the others; the arguments are not shown twice. */
  #drawer(label, style, drawer) {
    drawer.hidden = true;
    this.#drawers.push(drawer);
    const opener = button(label, style, () => {
      const isOpening = drawer.hidden;
      for (const other of this.#drawers) other.hidden = true;
      drawer.hidden = !isOpening;
      if (this.#subject) this.#subject.hidden = isOpening && drawer.querySelector(".code-input") !== null;
      if (isOpening) drawer.querySelector("input, textarea").focus();
    });
    return { button: opener };
  }
}

/** What is decided on: the arguments of a sub-agent's call or of the call itself; null for a question. */
export function subjectOf({ kind, arguments: values, suspension: { form } }) {
  if (form?.questions?.length || (kind === "question" && !form?.call)) return null;
  if (!form?.call) return argumentsOf(values);
  const who = form.call.agent ? `The sub-agent ${form.call.agent}` : "The sub-agent";
  const name = h("p", { class: "subject-name" }, `${who} wants to use `, h("strong", {}, form.call.name));
  return h("div", { class: "subject" }, name, argumentsOf(form.call.arguments));
}

const argumentsOf = (values) => h("pre", { class: "asked", tabindex: "0" }, pretty(values));

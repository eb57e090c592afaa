// Questions with choices: one, several, free words, or a choice with room for something else.

import { h } from "./element.js";

/** The value of the radio button or check box for "something else"; no option of a form has it. */
const OTHER = "\u0000other";
let forms = 0;

/**
 * The fields of `questions`: `{nodes, read()}`; `read` returns the answers by question id, or null after it has
 * shown which question still lacks one.
 */
export function questionFields(questions) {
  const group = `form-${++forms}`;
  const fields = questions.map((question, index) => fieldOf(question, `${group}-${index}`));
  return { nodes: fields.map((field) => field.node), read };

  function read() {
    const missing = fields.filter((field) => !field.check());
    missing[0]?.focus();
    return missing.length ? null : Object.fromEntries(fields.map((field) => [field.id, field.answer()]));
  }
}

function fieldOf(question, name) {
  const isOpen = !question.options?.length;
  const lack = h("p", { class: "form-error", role: "alert", hidden: true });
  const parts = isOpen ? openParts(question) : choiceParts(question, name);
  const node = h("fieldset", { class: "question-field" }, h("legend", {}, question.prompt), parts.nodes, lack);
  node.addEventListener("input", () => (lack.hidden = true));
  return { id: question.id, node, answer: parts.answer, check, focus: () => node.querySelector("input, textarea").focus() };

  function check() {
    lack.textContent = parts.lack();
    lack.hidden = !lack.textContent;
    return lack.hidden;
  }
}

function openParts(question) {
  const area = h("textarea", { rows: "2", "aria-label": question.prompt, placeholder: "Your answer" });
  return {
    nodes: [area],
    answer: () => area.value.trim(),
    lack: () => (area.value.trim() ? "" : "This question has no answer yet."),
  };
}

function choiceParts(question, name) {
  const type = question.multiple ? "checkbox" : "radio";
  const choices = question.options.map((option) => choice({ type, name, ...option }));
  const other = question.free ? otherChoice(type, name) : null;
  const chosen = () => [...choices, ...(other ? [other] : [])].filter(({ input }) => input.checked);
  const answers = () => chosen().map(({ input }) => (input.value === OTHER ? other.words.value.trim() : input.value));
  return {
    nodes: [...choices.map(({ node }) => node), other?.node].filter(Boolean),
    answer: () => (question.multiple ? answers() : answers()[0]),
    lack: () => {
      if (other?.input.checked && !other.words.value.trim()) return "Say what else.";
      return chosen().length ? "" : "This question has no answer yet.";
    },
  };
}

function choice({ type, name, value, label, description }) {
  const input = h("input", { type, name, value });
  const words = [h("span", {}, label ?? value), description && h("span", { class: "quiet" }, description)];
  return { input, node: h("label", { class: "choice" }, input, h("span", { class: "choice-words" }, words)) };
}

function otherChoice(type, name) {
  const { input, node } = choice({ type, name, value: OTHER, label: "Something else" });
  const words = h("input", { type: "text", "aria-label": "Something else", placeholder: "In your own words" });
  words.addEventListener("input", () => (input.checked = true));
  input.addEventListener("change", () => input.checked && words.focus());
  return { input, words, node: h("div", { class: "choice-other" }, node, words) };
}

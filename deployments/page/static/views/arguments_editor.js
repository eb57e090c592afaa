// The arguments of a call as text that a person can change before it runs.

import { button, complain, errorLine, pretty } from "./form_parts.js";
import { h } from "./element.js";

const MOST_ROWS = 14;

/** An editor of `values`; `onSubmit(values)` gets what the person made of them, once it is a JSON object. */
export function argumentsEditor(values, onSubmit) {
  const text = pretty(values);
  const rows = String(Math.min(MOST_ROWS, text.split("\n").length));
  const area = h("textarea", { class: "code-input", rows, spellcheck: "false", "aria-label": "Arguments" });
  const error = errorLine();
  area.value = text;
  area.addEventListener("input", () => complain(error, parse(area.value).error ?? ""));
  const submit = () => {
    const parsed = parse(area.value);
    complain(error, parsed.error ?? "");
    if (parsed.error) area.focus();
    else onSubmit(parsed.value);
  };
  const actions = h("div", { class: "actions" }, button("Approve with these arguments", "primary", submit));
  return h("div", { class: "inline-form tall" }, area, error, actions);
}

function parse(text) {
  try {
    const value = JSON.parse(text);
    const isObject = value !== null && typeof value === "object" && !Array.isArray(value);
    return isObject ? { value } : { error: "The arguments must be one JSON object." };
  } catch (problem) {
    return { error: `This is not valid JSON: ${problem.message}` };
  }
}

// What a suspended call asks of a person: approve, reject, change the arguments, or answer.

import { h } from "./element.js";
import { distanceTo, instantOf } from "./words.js";

/** The form for `row`, a waiting tool row; `decide(resolution)` sends it and rejects when that failed. */
export function decisionForm(row, decide) {
  const { kind, prompt, expiresAt } = row.suspension;
  const error = h("p", { class: "form-error", role: "alert", hidden: true });
  const until = expiresAt && h("span", { class: "quiet", title: instantOf(expiresAt) }, `expires ${distanceTo(expiresAt)}`);
  const question = h("p", { class: "question" }, prompt || `Allow ${row.name}?`, " ", until);
  const controls = FORMS[kind]?.(row, attempt) ?? FORMS.approval(row, attempt);
  const form = h("div", { class: "decision", role: "group", "aria-label": `Decision on ${row.name}` });
  form.append(question, ...controls, error);
  return form;

  async function attempt(resolution) {
    const inputs = form.querySelectorAll("button, textarea, input");
    for (const input of inputs) input.disabled = true;
    error.hidden = true;
    try {
      await decide(resolution);
    } catch (problem) {
      for (const input of inputs) input.disabled = false;
      complain(error, problem.code === "stale_resolution" ? "This was already decided." : `Not sent: ${problem.message}`);
    }
  }
}

const FORMS = {
  approval: (row, attempt) => {
    const asked = argumentsOf(row);
    const editing = editor(row, attempt);
    const rejecting = rejection(attempt);
    const show = (form, other) => {
      open(form, other);
      asked.hidden = !editing.hidden;
    };
    const actions = h(
      "div",
      { class: "actions" },
      button("Approve", "primary", () => attempt({ decision: "approve" })),
      button("Reject…", "", () => show(rejecting, editing)),
      button("Edit arguments…", "", () => show(editing, rejecting)),
    );
    return [asked, editing, actions, rejecting];
  },

  elicitation: (row, attempt) => {
    const answer = h("textarea", { rows: "2", "aria-label": "Your answer", placeholder: "Your answer" });
    const submit = () => answer.value.trim() && attempt({ decision: "respond", answer: answer.value });
    answer.addEventListener("keydown", (event) => onEnter(event, submit));
    return [argumentsOf(row), answer, h("div", { class: "actions" }, button("Answer", "primary", submit))];
  },

  client_exec: (row) => [h("p", { class: "quiet" }, `Waiting for the program that runs ${row.name}.`)],
};

/** What the model put into the call: of a question, its words. */
const argumentsOf = (row) => h("pre", { class: "asked", tabindex: "0" }, pretty(row.arguments));

function rejection(attempt) {
  const reason = h("input", { type: "text", "aria-label": "Reason", placeholder: "Reason (optional)" });
  const submit = () => attempt({ decision: "reject", ...(reason.value.trim() && { reason: reason.value.trim() }) });
  reason.addEventListener("keydown", (event) => onEnter(event, submit));
  return h("div", { class: "inline-form", hidden: true }, reason, button("Reject", "danger", submit));
}

function editor(row, attempt) {
  const text = pretty(row.arguments);
  const rows = String(Math.min(12, text.split("\n").length));
  const area = h("textarea", { class: "code-input", rows, spellcheck: "false", "aria-label": "Arguments" });
  const error = h("p", { class: "form-error", role: "alert", hidden: true });
  area.value = text;
  const submit = () => {
    const parsed = parse(area.value);
    error.hidden = true;
    if (parsed.error) complain(error, parsed.error);
    else attempt({ decision: "edit", arguments: parsed.value });
  };
  const actions = h("div", { class: "actions" }, button("Approve with these arguments", "primary", submit));
  return h("div", { class: "inline-form tall", hidden: true }, area, error, actions);
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

function open(form, other) {
  other.hidden = true;
  form.hidden = !form.hidden;
  if (!form.hidden) form.querySelector("input, textarea").focus();
}

function onEnter(event, submit) {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  submit();
}

function complain(element, message) {
  element.textContent = message;
  element.hidden = false;
}

const pretty = (value) => JSON.stringify(value, null, 2);
const button = (label, style, onclick) => h("button", { type: "button", class: `button ${style}`, onclick }, label);

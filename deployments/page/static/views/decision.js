// What a suspended call asks of a person: the question, how long it waits, and the way to answer it.

import { Controls } from "./controls.js";
import { h } from "./element.js";
import { expiryNote } from "./expiry.js";
import { complain, errorLine } from "./form_parts.js";

/**
 * The form for `row`, a row that waits. `decide(resolution)` sends it and rejects when that failed; `allowAlways`,
 * if there is one, makes this the last time that the person is asked.
 */
export function decisionForm(row, { decide, allowAlways = null }) {
  const { kind, expiresAt, argumentsHash } = row.suspension;
  const error = errorLine();
  const controls = kind === "client_exec" ? [waitingFor(row)] : new Controls(row, attempt, allowAlways).nodes();
  const form = h("div", { class: "decision", role: "group", "aria-label": `Decision on ${row.name}` });
  form.append(question(row, expiresAt && expiryNote(expiresAt)), ...controls, error);
  return form;

  async function attempt(resolution, before = null) {
    const inputs = form.querySelectorAll("button, textarea, input");
    for (const input of inputs) input.disabled = true;
    complain(error, "");
    try {
      await before?.();
      await decide({ ...resolution, ...(argumentsHash && { arguments_hash: argumentsHash }) });
    } catch (problem) {
      for (const input of inputs) input.disabled = false;
      complain(error, problem.isExplained ? "" : `Not sent: ${problem.message}`);
    }
  }
}

/** The notice in place of the form where the question cannot be answered, with a link to where it can. */
export function answeredElsewhere(row, address) {
  const link = h("a", { href: address }, "Answer it there");
  const words = h("p", { class: "quiet" }, "This is asked in the conversation that the sub-agent works for. ", link);
  return h("div", { class: "decision" }, question(row), words);
}

const question = (row, ...more) => h("p", { class: "question" }, questionOf(row), " ", more);
const waitingFor = (row) => h("p", { class: "quiet" }, `Waiting for the program that runs ${row.name}.`);

/** What people are asked. A form asks for itself: the prompt of its tool is meant for the model. */
function questionOf({ kind, name, suspension: { prompt, form } }) {
  if (kind === "tool" && form?.questions?.length) return form.call?.agent ? `The sub-agent ${form.call.agent} asks` : "The agent asks";
  return prompt || `Allow ${name}?`;
}

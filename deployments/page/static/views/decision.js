// What a suspended call asks of a person: the question, how long it waits, and the way to answer it.

import { clientForm } from "./client_form.js";
import { Controls, subjectOf } from "./controls.js";
import { h, icon } from "./element.js";
import { expiryNote } from "./expiry.js";
import { complain, errorLine } from "./form_parts.js";

/**
 * The form for `row`, a row that waits. `decide(resolution)` sends it and rejects when that failed; `allowAlways`,
 * if there is one, makes this the last time that the person is asked. `client` says what this page does about a call
 * for a client: `form` (it has one), `runs`, or null.
 */
export function decisionForm(row, { decide, allowAlways = null, client = null, limit = 0 }) {
  const { kind, expiresAt, argumentsHash } = row.suspension;
  const error = errorLine();
  const controls = kind === "client_exec" ? clientNodes() : new Controls(row, attempt, allowAlways).nodes();
  const form = h("div", { class: "decision", role: "group", "aria-label": `Decision on ${row.name}` });
  form.append(question(row, expiresAt && expiryNote(expiresAt)), ...controls, error);
  return form;

  function clientNodes() {
    if (client === "form") return clientForm(row, attempt, (message) => complain(error, message), limit);
    return [client === "runs" ? h("p", { class: "quiet" }, "This page runs it.") : waitingFor(row)];
  }

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

/** The notice for a person who may not decide: what is asked, about which arguments, and whom it waits for. */
export function decidedByOthers(row) {
  const { kind, expiresAt } = row.suspension;
  const what = kind === "approval" ? "an approval" : "an answer";
  const words = h("p", { class: "quiet waits-for" }, icon("share"), `Waits for ${what} by ${row.waitsFor}.`);
  const label = `${row.name} waits for ${what}`;
  const parts = [question(row, expiresAt && expiryNote(expiresAt)), subjectOf(row), words].filter(Boolean);
  return h("div", { class: "decision", role: "group", "aria-label": label }, parts);
}

const question = (row, ...more) => h("p", { class: "question" }, questionOf(row), " ", more);
const waitingFor = (row) => h("p", { class: "quiet" }, `Waiting for the program that runs ${row.name}.`);

/** What people are asked. A form asks for itself: the prompt of its tool is meant for the model. */
function questionOf({ kind, name, suspension: { prompt, form } }) {
  if (kind === "tool" && form?.questions?.length) return form.call?.agent ? `The sub-agent ${form.call.agent} asks` : "The agent asks";
  return prompt || `Allow ${name}?`;
}

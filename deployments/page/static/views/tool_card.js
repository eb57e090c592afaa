// The card of a tool call: what is called with what, how it stands, what came of it, and the decision it waits for.

import { decisionForm } from "./decision.js";
import { h, icon } from "./element.js";
import { DECISION, toolStatusOf } from "./words.js";

const BRIEF = 72;
/** The principal of a service that has no accounts. */
const NOBODY_ELSE = "local";

/** Returns `{node, update(row)}`. */
export function toolRow(actions) {
  let form = null;
  let asked = null;
  const name = h("span", { class: "tool-name" });
  const brief = h("span", { class: "tool-brief" });
  const status = h("span", { class: "chip" });
  const body = h("div", { class: "tool-body" });
  const summary = h("summary", {}, icon("tool"), name, brief, status, icon("chevron"));
  const details = h("details", {}, summary, body);
  const decision = h("div", { class: "decision-slot" });
  const node = h("article", { class: "row tool" }, details, decision);
  return { node, update };

  function update(row) {
    node.dataset.status = row.status;
    node.setAttribute("aria-label", `Tool ${row.name}: ${toolStatusOf(row)}`);
    name.textContent = row.name;
    brief.textContent = briefOf(row);
    status.textContent = progressOf(row) ?? toolStatusOf(row);
    body.replaceChildren(...sections(row));
    ask(row);
  }

  /** A form stays as it is, with what was typed into it, for as long as its question does. */
  function ask(row) {
    if (row.suspension === asked) return;
    asked = row.suspension;
    form = asked && decisionForm(row, (resolution) => actions.decide(row.toolCallId, resolution));
    decision.replaceChildren(...(form ? [form] : []));
  }
}

function sections(row) {
  const resolution = row.resolution && resolutionOf(row.resolution);
  return [
    section("Arguments", JSON.stringify(row.arguments, null, 2)),
    resolution && section("Decision", resolution),
    row.result != null && section(row.status === "ok" ? "Result" : "Outcome", row.result),
  ].filter(Boolean);
}

const section = (title, text) => h("div", {}, h("h4", {}, title), h("pre", { tabindex: "0" }, text));

function resolutionOf({ decision, reason, answer, by }) {
  const said = reason ?? (typeof answer === "string" ? answer : answer == null ? "" : JSON.stringify(answer));
  return [`${DECISION[decision] ?? decision}${by && by !== NOBODY_ELSE ? ` by ${by}` : ""}`, said].filter(Boolean).join("\n");
}

/** One line for the closed card: the arguments, and a result that is short enough to say all. */
function briefOf(row) {
  const values = Object.values(row.arguments ?? {}).map((value) =>
    typeof value === "string" ? value : JSON.stringify(value),
  );
  const given = values.join(", ").replaceAll(/\s+/g, " ");
  const result = row.status === "ok" && row.result?.length <= BRIEF && !row.result.includes("\n") ? row.result : null;
  return result ? `${given} → ${result}` : given;
}

/** What a tool reports while it runs: a sentence, or a number somewhere in it. */
function progressOf({ status, progress }) {
  if (status !== "running" || progress == null) return null;
  if (typeof progress === "string") return progress;
  const percent = progress.percent ?? (typeof progress === "number" ? progress * 100 : null);
  return percent === null ? (progress.message ?? null) : `${Math.round(percent)} %`;
}

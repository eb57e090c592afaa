// The card of a tool call: its name and arguments, its status, its result, and the decision that it waits for.

import { decisionSlot } from "./decision_slot.js";
import { h, icon } from "./element.js";
import { documentChip, pictures } from "./media.js";
import { SUB_AGENT_STATE, resolutionOf, toolStatusOf } from "./words.js";

const BRIEF = 72;

/** Returns `{node, update(row)}`. */
export function toolRow(actions) {
  const name = h("span", { class: "tool-name" });
  const brief = h("span", { class: "tool-brief" });
  const status = h("span", { class: "chip" });
  const body = h("div", { class: "tool-body" });
  const symbol = icon("tool");
  const summary = h("summary", {}, symbol, name, brief, status, icon("chevron"));
  const details = h("details", {}, summary, body);
  const subAgent = h("div", { class: "child", hidden: true });
  const decision = decisionSlot(actions);
  const node = h("article", { class: "row tool" }, details, subAgent, decision.node);
  return { node, update };

  function update(row) {
    node.dataset.status = row.status;
    node.setAttribute("aria-label", `Tool ${row.name}: ${toolStatusOf(row)}`);
    symbol.firstChild.setAttribute("href", row.subAgent ? "#i-agent" : "#i-tool");
    name.textContent = row.name;
    brief.textContent = briefOf(row);
    status.textContent = progressOf(row) ?? toolStatusOf(row);
    body.replaceChildren(...sections(row, actions));
    subAgent.hidden = !row.subAgent;
    if (row.subAgent) subAgent.replaceChildren(...subAgentParts(row));
    decision.update(row);
  }
}

/** Which sub-agent works for this call, what it does now, and a link to its transcript. */
function subAgentParts({ subAgent, status }) {
  const isOver = !["running", "waiting"].includes(status);
  const state = isOver ? "" : (SUB_AGENT_STATE[subAgent.state] ?? "");
  return [
    h("span", { class: "child-name" }, subAgent.agent ? `Sub-agent ${subAgent.agent}` : "Sub-agent"),
    state && h("span", { class: "quiet" }, state),
    h("a", { class: "child-link", href: `#/c/${encodeURIComponent(subAgent.id)}` }, "Open its transcript"),
  ].filter(Boolean);
}

function sections(row, actions) {
  const resolution = row.resolution && resolutionOf(row);
  return [
    section("Arguments", JSON.stringify(row.arguments, null, 2)),
    resolution && section("Decision", resolution),
    row.result && section(row.status === "ok" ? "Result" : "Outcome", row.result),
    row.pictures.length > 0 && pictures(row.pictures),
    row.documents.length > 0 && h("div", {}, row.documents.map(documentChip)),
    row.tool?.trust === "user_configurable" && !row.suspension && permission(row.name, actions),
  ].filter(Boolean);
}

const section = (title, text) => h("div", {}, h("h4", {}, title), h("pre", { tabindex: "0" }, text));

/** For a tool that is always allowed: a note of that, and a button to be asked again. */
function permission(name, actions) {
  const line = h("p", { class: "permission", hidden: true });
  const askAgain = async () => {
    if (await actions.askAgain(name)) line.replaceChildren("You will be asked before it runs again.");
  };
  actions.isAlwaysAllowed(name).then((isAllowed) => {
    line.hidden = !isAllowed;
    const button = h("button", { type: "button", class: "link", onclick: askAgain }, "Ask me again");
    line.replaceChildren(`You always allow ${name}. `, button);
  });
  return line;
}

/** One line for the closed card: the arguments, and the result if it is short enough. */
function briefOf(row) {
  const given = Object.values(row.arguments ?? {}).map(wordsFor).join(", ").replaceAll(/\s+/g, " ");
  const result = row.status === "ok" && row.result?.length <= BRIEF && !row.result.includes("\n") ? row.result : null;
  return result ? `${given} → ${result}` : given;
}

/** A value in a line; a list of steps or questions by their texts. */
function wordsFor(value) {
  if (typeof value === "string") return value;
  if (Array.isArray(value)) return value.map(wordsFor).join("; ");
  return value?.prompt ?? value?.text ?? JSON.stringify(value);
}

/** What a tool reports while it runs: a sentence, or a number somewhere in it. */
function progressOf({ status, progress }) {
  if (status !== "running" || progress == null) return null;
  if (typeof progress === "string") return progress;
  const percent = progress.percent ?? (typeof progress === "number" ? progress * 100 : null);
  if (percent !== null) return `${Math.round(percent)} %`;
  return progress.message ?? Object.entries(progress).flatMap(counted)[0] ?? null;
}

const counted = ([name, value]) => (typeof value === "number" ? [`${value} ${name.replaceAll("_", " ")}`] : []);

// A question that a middleware of the agent asks people: not a tool of the model's, so it does not look like one.

import { decisionSlot } from "./decision_slot.js";
import { h, icon } from "./element.js";
import { resolutionOf, toolStatusOf } from "./words.js";

/** Returns `{node, update(row)}`. */
export function questionRow(actions) {
  const asker = h("span", { class: "tool-name" });
  const status = h("span", { class: "chip" });
  const outcome = h("p", { class: "question-outcome", hidden: true });
  const decision = decisionSlot(actions);
  const head = h("div", { class: "question-head" }, icon("question"), asker, h("span", { class: "spacer" }), status);
  const node = h("article", { class: "row tool question-row" }, head, outcome, decision.node);
  return { node, update };

  function update(row) {
    node.dataset.status = row.status;
    node.setAttribute("aria-label", `${row.source} asks: ${row.asked?.prompt ?? ""}`);
    asker.textContent = `${row.source} asks`;
    status.textContent = row.status === "ok" ? "Answered" : toolStatusOf(row);
    outcome.hidden = row.suspension !== null;
    outcome.textContent = [row.asked?.prompt, row.resolution ? resolutionOf(row) : row.result].filter(Boolean).join("\n");
    decision.update(row);
  }
}

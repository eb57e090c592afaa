// The place on a card for its question, and for the note that an answer came too late.

import { answeredElsewhere, decidedByOthers, decisionForm } from "./decision.js";
import { complain } from "./form_parts.js";
import { h } from "./element.js";

/** Refusals of an answer that mean that the card is out of date. */
const OUTDATED = {
  stale_resolution: "Too late: this was decided elsewhere, or its time ran out. Your answer changed nothing.",
  arguments_changed: "The arguments have changed since they were shown here. Nothing was decided: look again.",
};

/**
 * Returns `{node, update(row)}`; `actions`: `decide`, `allowAlways`, `refresh`, `parentAddress`, `clientRoleOf`
 * and `attachmentLimit`.
 */
export function decisionSlot(actions) {
  let asked = null;
  let tool;
  let waitsFor;
  const place = h("div", {});
  const note = h("p", { class: "slot-note", role: "alert", hidden: true });
  const node = h("div", { class: "decision-slot" }, place, note);
  return { node, update };

  /** A form stays as it is, with what was typed into it, for as long as its question does. */
  function update(row) {
    if (row.suspension === asked && row.tool === tool && row.waitsFor === waitsFor) return;
    [asked, tool, waitsFor] = [row.suspension, row.tool, row.waitsFor];
    place.replaceChildren(...(asked ? [formOf(row)] : []));
  }

  function formOf(row) {
    const elsewhere = actions.parentAddress();
    const isForClient = row.suspension.kind === "client_exec";
    if (row.waitsFor && !isForClient) return decidedByOthers(row);
    if (elsewhere && !isForClient) return answeredElsewhere(row, elsewhere);
    const isTheirs = row.tool?.trust === "user_configurable" && row.suspension.kind === "approval" && !row.suspension.form?.call;
    return decisionForm(row, {
      decide: (resolution) => decide(row, resolution),
      client: isForClient && !elsewhere && !row.waitsFor ? actions.clientRoleOf(row.name) : null,
      limit: actions.attachmentLimit(),
      allowAlways: isTheirs ? () => actions.allowAlways(row.name) : null,
    });
  }

  async function decide(row, resolution) {
    complain(note, "");
    try {
      await actions.decide(row.toolCallId, resolution);
    } catch (problem) {
      if (!(problem.code in OUTDATED)) throw problem;
      complain(note, OUTDATED[problem.code]);
      actions.refresh();
      throw Object.assign(problem, { isExplained: true });
    }
  }
}

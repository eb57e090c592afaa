// Two versions of one file side by side, with the lines marked in which they differ, and the choice between them.

import { h } from "./element.js";
import { button } from "./form_parts.js";

/** `theirs` is null for a file that was deleted meanwhile; the actions are those of the three buttons. */
export function conflictView({ mine, theirs, keepMine, takeTheirs, goOn }) {
  const words = theirs === null ? "This file was deleted while you wrote." : "Somebody changed this file while you wrote.";
  const sides = theirs === null ? [side("Yours", mine, "")] : [side("Yours", mine, theirs), side("As it is now", theirs, mine)];
  const actions = [
    button(theirs === null ? "Create it anew" : "Keep mine", "primary", keepMine),
    button(theirs === null ? "Leave it deleted" : "Take theirs", "", takeTheirs),
    button("Go on writing", "plain", goOn),
  ];
  return h(
    "div",
    { class: "conflict" },
    h("p", { class: "file-notice", role: "alert" }, words),
    h("div", { class: "actions" }, actions),
    h("div", { class: "sides" }, sides),
  );
}

function side(title, text, other) {
  const [from, to] = changedLines(text.split("\n"), other.split("\n"));
  const lines = text.split("\n").map((line, index) => h("span", { class: index >= from && index < to ? "line changed" : "line" }, `${line}\n`));
  return h("section", { "aria-label": title }, h("h3", {}, title), h("pre", { tabindex: "0" }, lines));
}

/** Where `lines` begins and ends to differ from `others`. */
function changedLines(lines, others) {
  const most = Math.min(lines.length, others.length);
  let head = 0;
  while (head < most && lines[head] === others[head]) head++;
  let tail = 0;
  while (tail < most - head && lines.at(-1 - tail) === others.at(-1 - tail)) tail++;
  return [head, lines.length - tail];
}

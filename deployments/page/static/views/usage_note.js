// What a turn used, in one quiet line that appears on demand.

import { h } from "./element.js";
import { costOf, countOf } from "./words.js";

/** A button that says `tokens`, and the line that it shows: `{button, line}`; `usage()` is asked when it opens. */
export function usageNote(usage) {
  const line = h("p", { class: "usage quiet", hidden: true });
  const toggle = () => {
    line.hidden = !line.hidden;
    button.setAttribute("aria-expanded", String(!line.hidden));
    if (!line.hidden) line.textContent = told(usage());
  };
  const button = h("button", { type: "button", class: "quiet usage-button", "aria-expanded": "false", title: "What this turn used", onclick: toggle });
  return { button, line };
}

function told({ answers, input, cached, output, cost }) {
  const parts = [
    `This turn: ${answers} ${answers === 1 ? "model call" : "model calls"}`,
    `${countOf(input)} tokens read${cached ? ` (${countOf(cached)} from the cache)` : ""}`,
    `${countOf(output)} written`,
    cost !== null && costOf(cost),
  ];
  return parts.filter(Boolean).join(" · ");
}

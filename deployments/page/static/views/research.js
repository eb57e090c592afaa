// What the provider looked up for an answer, and the sources that it drew on.

import { h, icon } from "./element.js";

const VERB = { web_search: "Searched the web for", web_fetch: "Read" };
const FOLDED = 4;

/** The lines above the answer that tell what was looked up. */
export function lookups({ calls }) {
  return calls.map(({ name, brief }) => h("p", { class: "lookup" }, icon("search"), `${VERB[name] ?? `Used ${name}:`} ${brief}`));
}

/** The sources of an answer as links without a referrer; more than a few are folded. */
export function sourceList({ sources }) {
  if (sources.length === 0) return [];
  const items = sources.map(({ address, title, host }, index) =>
    h("li", { hidden: index >= FOLDED }, link(address, title), h("span", { class: "quiet" }, host)),
  );
  const list = h("ol", { class: "source-list" }, items);
  const unfold = () => {
    for (const item of items) item.hidden = false;
    more.remove();
  };
  const more = h("button", { type: "button", class: "link", onclick: unfold }, `${sources.length - FOLDED} more`);
  return [h("section", { class: "sources", "aria-label": "Sources" }, h("h4", {}, "Sources"), list, sources.length > FOLDED && more)];
}

const link = (address, title) => h("a", { href: address, target: "_blank", rel: "noopener noreferrer nofollow" }, title);

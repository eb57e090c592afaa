// What an empty conversation shows: a greeting, the choice of agents, and a few ways to begin.

import { h } from "./element.js";

const SUGGESTIONS = ["What time is it?", "What is 6*7?", "Announce: hello"];

/** `agents` as the service lists them, `chosen` one of their names; `onSuggest(text)` sends, `onChoose(name)` picks. */
export function welcome({ agents, chosen, onSuggest, onChoose }) {
  const chips = SUGGESTIONS.map((text) =>
    h("button", { type: "button", class: "suggestion", onclick: () => onSuggest(text) }, text),
  );
  return h(
    "div",
    { class: "welcome" },
    h("h2", {}, "What shall we talk about?"),
    h("p", {}, "Whatever you begin here is kept: close the page, come back, and it goes on."),
    agents.length > 1 && chooser(agents, chosen, onChoose),
    h("div", { class: "suggestions" }, chips),
  );
}

function chooser(agents, chosen, onChoose) {
  const option = (agent) => h("option", { value: agent.name, selected: agent.name === chosen }, `${agent.name} · ${agent.model}`);
  const select = h("select", { onchange: () => onChoose(select.value) }, agents.map(option));
  return h("label", { class: "chooser" }, h("span", {}, "Agent"), select);
}

/** Shown for an address that leads nowhere. */
export function missing(onNew) {
  return h(
    "div",
    { class: "welcome" },
    h("h2", {}, "This conversation is not here"),
    h("p", {}, "It was deleted, or it never existed."),
    h("button", { type: "button", class: "button primary", onclick: onNew }, "New conversation"),
  );
}

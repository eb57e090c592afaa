// What an empty conversation shows: a greeting, the choice of agents, and a few ways to begin.

import { h } from "./element.js";

const SUGGESTIONS = ["What time is it?", "What is 6*7?", "Announce: hello"];

/** `agents` as the service lists them, `chosen` one of their names; `onSuggest(text)` sends, `onChoose(name)` picks. */
export function welcome({ agents, chosen, onSuggest, onChoose }) {
  const chips = SUGGESTIONS.map((text) =>
    h("button", { type: "button", class: "suggestion", onclick: () => onSuggest(text) }, text),
  );
  const suggestions = h("div", { class: "suggestions" }, chips);
  // Things that the default agent can do.
  const suit = (name) => (suggestions.hidden = !agents.find((agent) => agent.name === name)?.default);
  suit(chosen);
  const choose = (name) => {
    onChoose(name);
    suit(name);
  };
  return h(
    "div",
    { class: "welcome" },
    h("h2", {}, "What shall we talk about?"),
    h("p", {}, "Whatever you begin here is kept: close the page, come back, and it goes on."),
    agents.length > 1 && picker(agents, chosen, choose),
    suggestions,
  );
}

/** All agents side by side, as one group of radio buttons. */
function picker(agents, chosen, onChoose) {
  const cards = agents.map(({ name, description, model }) => {
    const input = h("input", { type: "radio", name: "agent", value: name, checked: name === chosen, onchange: () => onChoose(name) });
    const about = h("span", { class: "quiet" }, description || model);
    return h("label", { class: "agent-card" }, input, h("span", { class: "agent-name" }, name), about);
  });
  return h("fieldset", { class: "agent-picker" }, h("legend", { class: "visually-hidden" }, "Agent"), cards);
}

/** Shown for the address of a conversation that does not exist. */
export function missing(onNew) {
  return h(
    "div",
    { class: "welcome" },
    h("h2", {}, "This conversation is not here"),
    h("p", {}, "It was deleted, or it never existed."),
    h("button", { type: "button", class: "button primary", onclick: onNew }, "New conversation"),
  );
}

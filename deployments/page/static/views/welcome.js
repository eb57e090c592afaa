// What an empty conversation shows: a greeting, the choice of agents, and a few ways to begin.

import { h } from "./element.js";

/** `agents` as the service lists them, `chosen` one of their names; `onSuggest(text)` sends, `onChoose(name)` picks. */
export function welcome({ agents, chosen, onSuggest, onChoose }) {
  const chip = (text) => h("button", { type: "button", class: "suggestion", dir: "auto", onclick: () => onSuggest(text) }, text);
  const suggestions = h("div", { class: "suggestions" });
  const suit = (name) => {
    const own = agents.find((agent) => agent.name === name)?.suggestions ?? [];
    suggestions.replaceChildren(...own.map(chip));
    suggestions.hidden = own.length === 0;
  };
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
  const cards = agents.map(({ name, description, model, offline }) => {
    const input = h("input", { type: "radio", name: "agent", value: name, checked: name === chosen, onchange: () => onChoose(name) });
    const about = h("span", { class: "quiet" }, description || model);
    return h("label", { class: "agent-card" }, input, h("span", { class: "agent-name" }, name, offline && [" ", offlineMark()]), about);
  });
  return h("fieldset", { class: "agent-picker" }, h("legend", { class: "visually-hidden" }, "Agent"), cards);
}

/** Says of one agent that a script answers in place of a model. */
export function offlineMark() {
  return h("span", { class: "offline", title: "No model is connected: a script answers, without any network." }, "Offline");
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

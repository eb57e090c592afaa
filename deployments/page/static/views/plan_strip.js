// The agent's plan above the message box: one line, the whole list when it is opened.

import { h, icon } from "./element.js";

const SIGN = { completed: "check", in_progress: "dot", pending: "ring" };
const STATE = { completed: "done", in_progress: "in progress", pending: "to do" };

export class PlanStrip {
  node;
  #now = h("span", { class: "plan-now" });
  #count = h("span", { class: "plan-count" });
  #list = h("ol", { class: "plan-list" });
  #shown = null;

  constructor() {
    const summary = h("summary", {}, icon("plan"), this.#now, this.#count, icon("chevron"));
    this.node = h("details", { class: "plan", hidden: true, "aria-label": "Plan" }, summary, this.#list);
  }

  /** Shows `todos`, each `{text, status}`; nothing when there are none. */
  render(todos) {
    if (todos === this.#shown) return;
    this.#shown = todos;
    this.node.hidden = todos.length === 0;
    const done = todos.filter((todo) => todo.status === "completed").length;
    const current = todos.find((todo) => todo.status === "in_progress") ?? todos.find((todo) => todo.status === "pending");
    this.node.classList.toggle("done", todos.length > 0 && done === todos.length);
    this.#now.textContent = current?.text ?? "All steps done";
    this.#count.textContent = `${done} of ${todos.length}`;
    this.#list.replaceChildren(...todos.map(item));
  }
}

function item({ text, status }) {
  const state = h("span", { class: "visually-hidden" }, ` (${STATE[status] ?? status})`);
  return h("li", { "data-status": status }, icon(SIGN[status] ?? "ring"), h("span", {}, text, state));
}

// The line that says that the service is away, and when the page will knock again.

import { h, icon } from "./element.js";

export class Banner {
  #node;
  #onRetry;
  #ticking = null;

  constructor(node, onRetry) {
    this.#node = node;
    this.#onRetry = onRetry;
  }

  render(link) {
    clearInterval(this.#ticking);
    this.#node.hidden = link.isUp;
    if (link.isUp) return this.#node.replaceChildren();
    const when = h("span", { class: "when", "aria-hidden": "true" });
    const retry = h("button", { type: "button", class: "link", onclick: this.#onRetry }, "Try now");
    this.#node.replaceChildren(icon("alert"), h("span", {}, "Connection lost. Reconnecting"), when, retry);
    const tick = () => {
      const seconds = Math.ceil((link.retryAt - Date.now()) / 1000);
      when.textContent = seconds > 0 ? ` in ${seconds} s` : "…";
    };
    tick();
    this.#ticking = setInterval(tick, 500);
  }
}

// The line that says that the service is away or busy, and when the page will try again.

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
    const what = link.isBusy ? "The service is busy. Trying again" : "Connection lost. Reconnecting";
    this.#node.replaceChildren(icon("alert"), h("span", {}, what), when, retry);
    const tick = () => {
      const seconds = Math.ceil((link.retryAt - Date.now()) / 1000);
      when.textContent = seconds > 0 ? ` in ${seconds} s` : "…";
    };
    tick();
    this.#ticking = setInterval(tick, 500);
  }
}

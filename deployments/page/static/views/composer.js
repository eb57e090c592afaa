// The box in which a message is written, with its draft kept per conversation, and the button that stops a turn.

import { h, icon } from "./element.js";

const DRAFT = "raylogue.draft.";

export class Composer {
  node;
  #box;
  #send;
  #stop;
  #draftKey = `${DRAFT}new`;

  /** `onSend(text)` takes a message; `onStop()` is asked to end the running turn. */
  constructor({ onSend, onStop }) {
    this.#box = h("textarea", {
      id: "message",
      rows: "1",
      "aria-label": "Message",
      placeholder: "Write a message",
      autocomplete: "off",
      enterkeyhint: "send",
      oninput: () => this.#changed(),
      onkeydown: (event) => this.#keyed(event),
    });
    this.#send = h("button", { type: "submit", class: "round primary", "aria-label": "Send", title: "Send (Enter)" }, icon("send"));
    const stop = { type: "button", class: "round stop", "aria-label": "Stop", title: "Stop (Esc)", onclick: onStop, hidden: true };
    this.#stop = h("button", stop, icon("stop"));
    const submit = (event) => {
      event.preventDefault();
      this.#submit(onSend);
    };
    this.node = h("form", { class: "composer", onsubmit: submit }, this.#box, this.#stop, this.#send);
    this.#changed();
  }

  /** Turns to another conversation (null: one that does not exist yet) and takes up its draft. */
  open(conversationId) {
    this.#draftKey = DRAFT + (conversationId ?? "new");
    this.put(localStorage.getItem(this.#draftKey) ?? "");
  }

  /** Puts `text` into the box. */
  put(text) {
    this.#box.value = text;
    this.#changed();
  }

  focus() {
    this.#box.focus();
  }

  setRunning(isRunning) {
    this.#stop.hidden = !isRunning;
    this.#box.placeholder = isRunning ? "Write the next message" : "Write a message";
  }

  #keyed(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.node.requestSubmit();
  }

  #submit(onSend) {
    const text = this.#box.value.trim();
    if (!text) return;
    this.put("");
    onSend(text);
  }

  #changed() {
    const { value } = this.#box;
    this.#send.disabled = !value.trim();
    if (value) localStorage.setItem(this.#draftKey, value);
    else localStorage.removeItem(this.#draftKey);
    // Browsers without `field-sizing` grow the box by hand.
    if (CSS.supports("field-sizing", "content")) return;
    this.#box.style.height = "auto";
    this.#box.style.height = `${this.#box.scrollHeight}px`;
  }
}

// The box in which a message is written, what goes with it, and the button that stops a turn.

import { AttachmentTray } from "./attachment_tray.js";
import { h, icon } from "./element.js";

const DRAFT = "raylogue.draft.";
const MODEL = "raylogue.model.";
/** What may happen to a message while a turn runs. */
const POLICIES = [
  ["queue", "After this turn", "Send after this turn (Enter)"],
  ["steer", "Into this turn", "Send into this turn (Enter)"],
  ["interrupt", "Stop and send", "Stop this turn and send (Enter)"],
];

export class Composer {
  node;
  #box;
  #send;
  #stop;
  #policy;
  #model;
  #modelPicker;
  #policyPicker;
  #agent = null;
  #tray = new AttachmentTray(() => this.#changed());
  #draftKey = `${DRAFT}new`;
  #isRunning = false;

  /** `onSend({text, blocks, onBusy, model})` takes a message; `onStop()` is asked to end the running turn. */
  constructor({ onSend, onStop }) {
    this.#box = this.#textBox();
    this.#send = h("button", { type: "submit", class: "round primary", "aria-label": "Send", title: "Send (Enter)" }, icon("send"));
    const stop = { type: "button", class: "round stop", "aria-label": "Stop", title: "Stop (Esc)", onclick: onStop, hidden: true };
    this.#stop = h("button", stop, icon("stop"));
    this.#model = h("select", { "aria-label": "Model", onchange: () => this.#modelChosen() });
    this.#modelPicker = h("label", { class: "picker", hidden: true }, this.#model, icon("chevron"));
    this.#policy = h("select", { "aria-label": "When to send", onchange: () => this.#changed() });
    this.#policy.append(...POLICIES.map(([value, label]) => h("option", { value }, label)));
    this.#policyPicker = h("label", { class: "picker policy", hidden: true }, this.#policy, icon("chevron"));
    const submit = (event) => {
      event.preventDefault();
      this.#submit(onSend);
    };
    this.node = h("form", { class: "composer", onsubmit: submit }, this.#tray.node, this.#box, this.#bar());
    this.#tray.listen(this.node);
    this.#changed();
  }

  /** The most bytes that the service takes as one message. */
  get limit() {
    return this.#tray.limit;
  }

  set limit(bytes) {
    this.#tray.limit = bytes;
  }

  /** Shows the draft of another conversation; null: of one that does not exist yet. */
  open(conversationId) {
    this.#draftKey = DRAFT + (conversationId ?? "new");
    this.#policy.value = POLICIES[0][0];
    this.put({ text: localStorage.getItem(this.#draftKey) ?? "" });
  }

  /** Puts a message into the box, to be written on. */
  put({ text, blocks = [] }) {
    this.#box.value = text;
    this.#tray.put(blocks);
  }

  focus() {
    this.#box.focus();
  }

  setRunning(isRunning) {
    if (isRunning === this.#isRunning) return;
    this.#isRunning = isRunning;
    this.#stop.hidden = !isRunning;
    this.#policyPicker.hidden = !isRunning;
    this.#box.placeholder = isRunning ? "Write the next message" : "Write a message";
    this.#changed();
  }

  /** Offers the models of an agent, `{name, model, models}`, if there is a choice; null: none is known. */
  offer(agent) {
    if (agent === this.#agent) return;
    this.#agent = agent;
    const names = agent ? [...new Set([agent.model, ...agent.models])] : [];
    this.#modelPicker.hidden = names.length < 2;
    this.#model.replaceChildren(...names.map((name) => h("option", { value: name }, name)));
    const chosen = agent && localStorage.getItem(MODEL + agent.name);
    if (names.includes(chosen)) this.#model.value = chosen;
  }

  #textBox() {
    return h("textarea", {
      id: "message",
      rows: "1",
      "aria-label": "Message",
      placeholder: "Write a message",
      autocomplete: "off",
      enterkeyhint: "send",
      oninput: () => this.#changed(),
      onkeydown: (event) => this.#keyed(event),
    });
  }

  #bar() {
    const spacer = h("span", { class: "spacer" });
    return h("div", { class: "composer-bar" }, this.#tray.button, this.#modelPicker, spacer, this.#policyPicker, this.#stop, this.#send);
  }

  #modelChosen() {
    const isDefault = this.#model.value === this.#agent.model;
    if (isDefault) localStorage.removeItem(MODEL + this.#agent.name);
    else localStorage.setItem(MODEL + this.#agent.name, this.#model.value);
  }

  #keyed(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.node.requestSubmit();
  }

  #submit(onSend) {
    const text = this.#box.value.trim();
    if (!text && this.#tray.isEmpty) return;
    const blocks = this.#tray.take();
    const onBusy = this.#policy.value;
    const isChosen = !this.#modelPicker.hidden && this.#model.value !== this.#agent.model;
    // The choice holds for one message: the next one shall not stop the turn again.
    this.#policy.value = POLICIES[0][0];
    this.put({ text: "" });
    onSend({ text, blocks, onBusy, model: isChosen ? this.#model.value : null });
  }

  #changed() {
    const { value } = this.#box;
    this.#send.disabled = !value.trim() && this.#tray.isEmpty;
    const policy = POLICIES.find(([name]) => name === this.#policy.value);
    this.#send.title = this.#isRunning ? policy[2] : "Send (Enter)";
    if (value) localStorage.setItem(this.#draftKey, value);
    else localStorage.removeItem(this.#draftKey);
    // Browsers without `field-sizing` grow the box by hand.
    if (CSS.supports("field-sizing", "content")) return;
    this.#box.style.height = "auto";
    this.#box.style.height = `${this.#box.scrollHeight}px`;
  }
}

// A view of one thing: what it is, how it stands, and what may be done with it; kept up to date while it is open.

import { toast } from "../views/dialog.js";
import { h, icon } from "../views/element.js";
import { Polling } from "./polling.js";
import { refill } from "./refill.js";

export class ItemView {
  tab;
  title;
  node;
  #load;
  #render;
  #paceOf;
  #isAbout;
  #polling;
  #heading = h("h2", { id: "view-title", dir: "auto" });
  #actions = h("div", { class: "actions" });
  #body = h("div", { class: "view-body" });
  /** What each button does now, by its label. */
  #acts = new Map();
  #isActing = false;

  /**
   * `load()` fetches the thing; `render(item)` tells `{title, actions, body: [nodes]}`, with the actions `{label, style,
   * act}`, where `act()` does it and the thing is then looked at again, or `{label, href}`. `paceOf(item)` is the pause in ms
   * before it is looked at again, null: it does not change any more. `isAbout(event)` tells that an event of the feed has
   * changed it. `back` is `{label, href}`.
   */
  constructor({ tab, title, back, link, load, render, paceOf, isAbout = () => false }) {
    Object.assign(this, { tab, title });
    this.#load = load;
    this.#render = render;
    this.#paceOf = paceOf;
    this.#isAbout = isAbout;
    const up = h("a", { class: "icon-button", href: back.href, "aria-label": back.label, title: back.label }, icon("back"));
    const header = h("header", { class: "view-head" }, up, this.#heading, h("span", { class: "spacer" }), this.#actions);
    this.#heading.textContent = title;
    this.node = h("div", { class: "view" }, header, this.#body);
    this.#polling = new Polling(() => this.#look(), { link, onRefused: (error) => this.#refuse(error) });
  }

  close() {
    this.#polling.stop();
  }

  wake() {
    this.#polling.now();
  }

  told(event) {
    if (this.#isAbout(event)) this.#polling.soon();
  }

  async #look() {
    const item = await this.#load();
    const { title, actions, body } = this.#render(item);
    this.#heading.textContent = title;
    if (this.node.isConnected) document.title = `${title} · Raylogue`;
    this.#acts = new Map(actions.map(({ label, act }) => [label, act]));
    refill(this.#actions, actions.map((action) => this.#button(action)));
    refill(this.#body, body.filter(Boolean));
    return this.#paceOf(item);
  }

  #button({ label, style = "", href }) {
    if (href) return h("a", { class: "button", "data-key": label, href }, label);
    return h("button", { type: "button", class: `button ${style}`, "data-key": label, onclick: () => this.#do(label) }, label);
  }

  async #do(label) {
    if (this.#isActing) return;
    this.#isActing = true;
    try {
      await this.#acts.get(label)?.();
    } catch (error) {
      toast(error.message);
    } finally {
      this.#isActing = false;
      this.#polling.now();
    }
  }

  #refuse(error) {
    refill(this.#actions, []);
    refill(this.#body, [h("p", { class: "quiet" }, error.message)]);
  }
}

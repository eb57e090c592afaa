// What is on the screen: the list, and beside it the open conversation, a greeting, or word that there is none.

import { screenRows } from "./screen_rows.js";
import { initial, isBusy } from "./state.js";
import { element } from "./views/element.js";
import { Sidebar } from "./views/sidebar.js";
import { Thread } from "./views/thread.js";
import { Topbar } from "./views/topbar.js";
import { missing, welcome } from "./views/welcome.js";

export class Screen {
  #look;
  #actions;
  #composer;
  #sidebar;
  #topbar;
  #thread;
  /** What the thread holds: a conversation, `welcome` or `missing`. */
  #shown = null;
  #isDirty = false;

  /**
   * `look()` returns what there is to show: `{open, list, outbox, agents, agent}`, with `open` null and `agent` the
   * chosen one while no conversation is open; `actions` are what people can ask for with what is shown.
   */
  constructor({ look, composer, ...actions }) {
    this.#look = look;
    this.#actions = actions;
    this.#composer = composer;
    this.#sidebar = new Sidebar(element("conversations"), actions.loadMore);
    this.#topbar = new Topbar(element("topbar"), actions);
    this.#thread = new Thread(element("thread"), element("dock"), actions);
  }

  renderList() {
    const { list, open } = this.#look();
    this.#sidebar.render(list, open?.id);
    this.#renderTopbar();
  }

  /** Shows what an empty conversation begins with. */
  greet() {
    const { agents, agent } = this.#look();
    const { send, choose } = this.#actions;
    this.#fill("welcome", welcome({ agents, chosen: agent, onSuggest: send, onChoose: choose }));
  }

  /** Renders once for all changes of a frame, and in a hidden tab, which has no frames, after a moment. */
  invalidate() {
    if (this.#isDirty) return;
    this.#isDirty = true;
    const once = () => this.#isDirty && this.#render();
    requestAnimationFrame(once);
    setTimeout(once, 200);
  }

  #render() {
    this.#isDirty = false;
    const { open, outbox } = this.#look();
    const state = open?.state ?? initial;
    this.#composer.setRunning(isBusy(state) || state.machine === "awaiting_input");
    if (!open) return;
    this.#renderTopbar();
    if (open.phase === "missing" && !outbox.isUnborn(open.id)) return this.#showMissing();
    if (this.#shown !== open) this.#fill(open);
    this.#thread.render(screenRows(state, outbox.of(open.id)));
  }

  #renderTopbar() {
    const { open, list, outbox } = this.#look();
    if (!open) return this.#topbar.render(null);
    const listed = list.items.find((item) => item.id === open.id);
    const unsent = outbox.of(open.id).find((entry) => entry.create)?.create;
    const meta = listed ?? open.meta ?? unsent;
    this.#topbar.render({ title: meta?.title ?? "", agent: meta?.agent ?? "" });
  }

  #showMissing() {
    if (this.#shown !== "missing") this.#fill("missing", missing(this.#actions.begin));
  }

  #fill(shown, content = null) {
    this.#shown = shown;
    this.#thread.clear(content);
  }
}

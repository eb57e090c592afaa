// What is on the screen: the list, and beside it the open conversation, a greeting, or a note that there is none.

import { screenRows } from "./screen_rows.js";
import { initial, isBusy } from "./state.js";
import { element } from "./views/element.js";
import { FilesPanel } from "./views/files_panel.js";
import { PlanStrip } from "./views/plan_strip.js";
import { readOnlyNotice } from "./views/read_only.js";
import { Sidebar } from "./views/sidebar.js";
import { Thread } from "./views/thread.js";
import { Topbar } from "./views/topbar.js";
import { missing, welcome } from "./views/welcome.js";

const NO_PLAN = [];
const LONGEST_TITLE = 60;

export class Screen {
  files = new FilesPanel(element("files"));
  #look;
  #actions;
  #composer;
  #sidebar;
  #topbar;
  #thread;
  #plan = new PlanStrip();
  /** What the thread holds: a conversation, `welcome` or `missing`. */
  #shown = null;
  /** The address of the conversation that the sub-agent on the screen works for. */
  #parentAddress = null;
  #isDirty = false;

  /**
   * `look()` returns what there is to show: `{open, list, outbox, agents, agent}`, with `open` null and `agent` the
   * chosen one while no conversation is open; `actions` are what people can ask for with what is shown.
   */
  constructor({ look, composer, ...actions }) {
    this.#look = look;
    this.#actions = { ...actions, parentAddress: () => this.#parentAddress, showFiles: () => this.files.toggle() };
    this.#composer = composer;
    this.#sidebar = new Sidebar(element("conversations"), actions.loadMore);
    this.#topbar = new Topbar(element("topbar"), this.#actions);
    this.#thread = new Thread(element("thread"), element("dock"), this.#actions);
    element("dock").append(this.#plan.node, composer.node);
  }

  renderList() {
    const { list, open } = this.#look();
    this.#sidebar.render(list, open?.id);
    this.#renderTopbar();
  }

  /** Shows what an empty conversation begins with. */
  greet() {
    const { agents, agent } = this.#look();
    const { suggest, choose } = this.#actions;
    const onChoose = (name) => {
      choose(name);
      this.#composer.offer(agents.find(name));
    };
    this.#fill("welcome", welcome({ agents: agents.items, chosen: agent, onSuggest: suggest, onChoose }));
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
    const { open, outbox, agents } = this.#look();
    const state = open?.state ?? initial;
    this.#renderDock(state);
    this.files.render(open?.files ?? null);
    if (!open) return;
    this.#renderTopbar();
    if (open.phase === "missing" && !outbox.isUnborn(open.id)) return this.#showMissing();
    if (this.#shown !== open) this.#fill(open);
    const agent = this.#meta()?.agent;
    const known = (row) => ({ tool: agents.toolOf(agent, row.name), subAgent: open.subAgents.of(row.toolCallId) });
    this.#thread.render(screenRows(state, outbox.of(open.id), known));
  }

  #renderDock(state) {
    const { open, agents, agent } = this.#look();
    const parent = open?.meta?.parent;
    const address = parent ? `#/c/${encodeURIComponent(parent)}` : null;
    if (address !== this.#parentAddress) {
      this.#parentAddress = address;
      element("dock").lastChild.replaceWith(address ? readOnlyNotice(address) : this.#composer.node);
    }
    this.#composer.offer(agents.find(open ? this.#meta()?.agent : agent));
    this.#composer.setRunning(isBusy(state) || state.machine === "awaiting_input");
    this.#plan.render(state.plan?.todos ?? NO_PLAN);
  }

  /** What is known of the open conversation, from the newest source. */
  #meta() {
    const { open, list, outbox } = this.#look();
    const listed = list.items.find((item) => item.id === open.id);
    const unsent = outbox.of(open.id).find((entry) => entry.create)?.create;
    return listed ?? open.meta ?? unsent;
  }

  #renderTopbar() {
    const { open, agents } = this.#look();
    if (!open) return this.#topbar.render(null);
    const meta = this.#meta();
    const count = open.files.items.length;
    const files = count > 0 || agents.keepsFiles(meta?.agent) ? count : null;
    const [title, agent] = [meta?.title || beginningOf(open.state), meta?.agent ?? ""];
    this.#topbar.render({ title, agent, files, parentAddress: this.#parentAddress });
  }

  #showMissing() {
    if (this.#shown !== "missing") this.#fill("missing", missing(this.#actions.begin));
  }

  #fill(shown, content = null) {
    this.#shown = shown;
    this.#thread.clear(content);
  }
}

/** How a conversation began: what it is called until it has a title. */
function beginningOf({ rows, firstSeq }) {
  const first = firstSeq === 1 && [...rows.values()].find((row) => row.kind === "user");
  return first ? first.text.split("\n", 1)[0].slice(0, LONGEST_TITLE) : "";
}

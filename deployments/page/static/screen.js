// What is on the screen: the list, and beside it the open conversation, a greeting, or a note that there is none.

import { screenRows } from "./screen_rows.js";
import { Rights } from "./rights.js";
import { initial, isBusy } from "./state.js";
import { approversOf } from "./views/approvers.js";
import { element } from "./views/element.js";
import { FilesPanel } from "./views/files_panel.js";
import { PlanStrip } from "./views/plan_strip.js";
import { childNotice, readerNotice } from "./views/read_only.js";
import { Sidebar } from "./views/sidebar.js";
import { Thread } from "./views/thread.js";
import { Topbar } from "./views/topbar.js";
import { missing, welcome } from "./views/welcome.js";

const NO_PLAN = [];
const LONGEST_TITLE = 60;

export class Screen {
  files = new FilesPanel(element("files"), () => this.rights.mayWrite);
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
  /** Why the message box is not shown, as the words of the notice in its place; null if it is. */
  #closedFor = null;
  #isDirty = false;

  /**
   * `look()` returns what there is to show: `{open, list, outbox, agents, agent, who, isPlace}`, with `open` null and `agent`
   * the chosen one while no conversation is open, and `isPlace` while another view has the head and the main part;
   * `actions` are what people can ask for with what is shown.
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
    const { open, outbox, agents, who } = this.#look();
    const state = open?.state ?? initial;
    this.#renderDock(state);
    this.files.render(open?.files ?? null);
    if (!open) return;
    this.#renderTopbar();
    if (open.phase === "missing" && !outbox.isUnborn(open.id)) return this.#showMissing();
    if (this.#shown !== open) this.#fill(open);
    const agent = this.#meta()?.agent;
    const { mayWrite } = this.rights;
    const mayBranch = !this.#parentAddress && new Rights(null, who).mayWrite;
    const known = (row) =>
      row.kind === "user" || row.kind === "assistant"
        ? { mayWrite, mayBranch }
        : { tool: agents.toolOf(agent, row.name), subAgent: open.subAgents.of(row.toolCallId), ...this.#askedOf(row) };
    this.#thread.render(screenRows(state, outbox.of(open.id), known));
  }

  #renderDock(state) {
    const { open, agents, agent } = this.#look();
    const parent = open?.meta?.parent;
    this.#parentAddress = parent ? `#/c/${encodeURIComponent(parent)}` : null;
    const notice = parent ? childNotice(this.#parentAddress) : this.rights.mayWrite ? null : readerNotice(this.#meta()?.owner);
    const words = notice?.textContent ?? null;
    if (words !== this.#closedFor) {
      this.#closedFor = words;
      element("dock").lastChild.replaceWith(notice ?? this.#composer.node);
    }
    this.#composer.offer(agents.find(open ? this.#meta()?.agent : agent));
    this.#composer.setRunning(isBusy(state) || state.machine === "awaiting_input");
    this.#plan.render(state.plan?.todos ?? NO_PLAN);
  }

  /** What the person may do with what is on the screen. */
  get rights() {
    return new Rights(this.#meta(), this.#look().who);
  }

  /** Whom a call waits for, as `{waitsFor}`, if it is not the person at the page. */
  #askedOf({ suspension, toolCallId }) {
    if (!suspension) return {};
    // The service tells of each question that asks for certain people whether this person is one of them.
    const isAsked = suspension.approvers.length === 0 || this.#look().open.mayDecide(toolCallId);
    return { waitsFor: this.rights.mayDecide && isAsked ? undefined : approversOf(suspension, this.#meta()) };
  }

  /** What is known of the open conversation, from the newest source; null if none is open. */
  #meta() {
    const { open, list, outbox } = this.#look();
    if (!open) return null;
    const listed = list.items.find((item) => item.id === open.id);
    const unsent = outbox.of(open.id).find((entry) => entry.create)?.create;
    return listed ?? open.meta ?? unsent;
  }

  #renderTopbar() {
    const { open, agents, who, isPlace } = this.#look();
    if (isPlace) return this.#topbar.forget();
    if (!open) return this.#topbar.render(null);
    const meta = this.#meta();
    const { mayOwn } = this.rights;
    const count = open.files.items.length;
    const files = count > 0 || agents.keepsFiles(meta?.agent) ? count : null;
    const [title, agent] = [meta?.title || beginningOf(open.state), meta?.agent ?? ""];
    const offline = agents.find(agent)?.offline ?? false;
    const isShareable = Boolean(who?.tenant);
    const isArchived = meta?.archived ?? false;
    this.#topbar.render({ title, agent, offline, mayOwn, isShareable, isArchived, files, parentAddress: this.#parentAddress, forkedFrom: meta?.forked_from?.id });
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

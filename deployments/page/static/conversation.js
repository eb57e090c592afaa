// One open conversation: loads its history, follows its stream, and tells its listeners what is known.

import * as api from "./api.js";
import { SubAgents } from "./sub_agents.js";
import { Files } from "./files.js";
import { Stream } from "./stream.js";
import { addPage, hasOlder, initial, patchOf, planOf, receive } from "./state.js";

/** A stream that leaves holes is opened anew, but not more often than this. */
const RESTART_INTERVAL = 1000;
/** How far back a plan is looked for: pages of so many events. */
const PLAN_PAGES = 4;
const PLAN_PAGE = 500;

export class Conversation {
  id;
  meta = null;
  state = initial;
  /** `opening`, `open`, or why it cannot be shown: `missing`, or `deleted` after it was open. */
  phase = "opening";
  subAgents;
  files;
  #stream;
  #listener;
  #link;
  #clientTools;
  #closed = false;
  #filling = false;
  #restartedAt = 0;
  #loadingOlder = null;

  /**
   * `listener(conversation, event)` is called after every change, with the event that caused it, if one did;
   * `clientTools(meta)` are the names of the client tools that this page runs in the conversation.
   */
  constructor(id, listener, link, clientTools) {
    this.id = id;
    this.subAgents = new SubAgents(id, () => this.#change(this.state));
    this.files = new Files(id, () => this.#change(this.state));
    this.#listener = listener;
    this.#link = link;
    this.#clientTools = clientTools;
    this.#stream = new Stream({
      connect: (signal) => this.#connect(signal),
      onEvent: (event) => this.#receive(event),
      onUp: () => link.up("stream"),
      onDown: (retryAt, isBusy) => link.down("stream", retryAt, isBusy),
      onEnd: () => this.#end(),
    });
  }

  start() {
    this.#stream.start();
  }

  /** Closes the connection while no person looks. */
  rest() {
    this.#stream.stop();
    this.#link.up("stream");
  }

  /** Asks what it is now: the stream may not have told that it was deleted, and does not tell who may do what. */
  async look() {
    if (this.#closed) return;
    try {
      this.meta = await api.one(this.id);
      this.#change(this.state);
    } catch (error) {
      if (api.isFinal(error)) this.#end();
    }
  }

  /** Whether the person may decide what a call waits for, as far as the service has said; else it is asked. */
  mayDecide(toolCallId) {
    return this.meta?.pending?.[toolCallId]?.may_decide ?? false;
  }

  close() {
    this.#closed = true;
    this.rest();
  }

  wake() {
    this.#stream.wake();
  }

  /** Opens the connection anew. */
  restart() {
    this.#stream.restart();
  }

  /** Asks again where the conversation was missing: it may have been created meanwhile. */
  revive() {
    if (this.phase === "missing") this.phase = "opening";
    this.start();
  }

  /** Loads the page of history above what is shown; one at a time. */
  loadOlder() {
    if (this.phase !== "open" || !hasOlder(this.state)) return null;
    this.#loadingOlder ??= this.#fetchOlder().finally(() => (this.#loadingOlder = null));
    return this.#loadingOlder;
  }

  /** Looks for the agent's plan in the history that is not shown, for an agent that keeps one. */
  async findPlan() {
    let before = this.state.firstSeq;
    for (let page = 0; page < PLAN_PAGES && before > 1 && !this.state.plan; page++) {
      const { events } = await api.historyBefore(this.id, before, PLAN_PAGE, null).catch(() => ({ events: [] }));
      if (events.length === 0) return;
      before = events[0].seq;
      const { plan } = events.reduce(withPlan, { plan: null });
      if (plan && !this.state.plan) this.#change({ ...this.state, plan });
    }
  }

  async #fetchOlder() {
    const page = await api.historyBefore(this.id, this.state.firstSeq);
    this.#change(page.events.length ? addPage(this.state, page.events) : { ...this.state, firstSeq: 1 });
  }

  async #connect(signal) {
    // History comes first, and belongs to the attempt: without it there is nothing for the stream to continue.
    if (this.phase !== "open") await this.#open();
    return api.watch(this.id, this.state.lastSeq, signal, this.#clientTools(this.meta));
  }

  async #open() {
    const [meta, page] = await Promise.all([api.one(this.id), api.historyBefore(this.id)]);
    this.meta = meta;
    this.phase = "open";
    this.#change(addPage(initial, page.events));
  }

  #receive(event) {
    if (this.#closed) return;
    if (event.type === "snapshot" && event.last_seq < this.state.lastSeq) return this.#startOver();
    if (event.type === "conversation_deleted") return this.#end();
    if (event.type === "tool_progress") this.subAgents.receive(event);
    if (event.type === "file_changed") this.files.refreshSoon();
    if (event.type === "suspension" && event.approvers?.length) this.look();
    if (event.type === "title_changed" && this.meta) this.meta.title = event.title;
    this.#change(receive(this.state, event), event);
    if (this.state.hasGap) this.#fill();
    if (this.state.hasHole) this.#restart();
  }

  /** The log is shorter than it was: the conversation was restored from a backup, or created anew under its id. */
  #startOver() {
    this.phase = "opening";
    this.state = initial;
    this.#stream.restart();
  }

  async #fill() {
    if (this.#filling) return;
    this.#filling = true;
    try {
      for (let page; (page = await api.historyAfter(this.id, this.state.lastSeq)).events.length; ) {
        this.#change(addPage(this.state, page.events));
        if (page.next == null) break;
      }
      this.#change({ ...this.state, hasGap: false });
    } catch {
      this.#stream.restart();
    } finally {
      this.#filling = false;
    }
  }

  #restart() {
    if (Date.now() - this.#restartedAt < RESTART_INTERVAL) return;
    this.#restartedAt = Date.now();
    this.#stream.restart();
  }

  #end() {
    this.phase = this.meta ? "deleted" : "missing";
    this.rest();
    this.#change(this.state);
  }

  #change(state, event = null) {
    if (this.#closed) return;
    if (state.rows !== this.state.rows) this.subAgents.look(state.rows);
    this.state = state;
    this.#listener(this, event);
  }
}

/** The newest plan of a page of history; a summary keeps the one from before it. */
function withPlan(found, event) {
  if (event.type === "state_patch") return planOf(found, event);
  return event.type === "summary" ? planOf(found, patchOf(event)) : found;
}

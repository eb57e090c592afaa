// The composition root: joins the open conversation, the list, the outbox and the screen.

import * as api from "./api.js";
import { Agents } from "./agents.js";
import { announcementOf, Announcer } from "./announcer.js";
import { Conversation } from "./conversation.js";
import { Conversations } from "./conversations.js";
import { bindKeys, newKeys } from "./keys.js";
import { Link } from "./link.js";
import { newId, Outbox } from "./outbox.js";
import { Permissions } from "./permissions.js";
import { Screen } from "./screen.js";
import { isBusy, turnToCancel } from "./state.js";
import { usageOf } from "./usage.js";
import { Banner } from "./views/banner.js";
import { Composer } from "./views/composer.js";
import { confirm, toast } from "./views/dialog.js";
import { Drawer } from "./views/drawer.js";
import { element, h } from "./views/element.js";
import { themeToggle } from "./views/theme_toggle.js";

/** A tab that has been hidden for so long closes its connection: browsers allow only six per service. */
const REST_AFTER = 60_000;
const TITLE_LENGTH = 60;

class App {
  #agents = new Agents();
  #permissions = new Permissions();
  #agent = null;
  #open = null;
  /** The conversation whose files and plan, which the log does not bring, have been fetched. */
  #surveyed = null;
  #restTimer = null;

  #announcer = new Announcer(element("announcer"));
  #link = new Link((link) => this.#linkChanged(link));
  #banner = new Banner(element("banner"), () => this.#wake());
  #drawer = new Drawer();
  #conversations = new Conversations(() => this.#listChanged(), this.#link);
  #composer = new Composer({ onSend: (message) => this.#send(message), onStop: () => this.#cancel() });
  #screen = new Screen({
    composer: this.#composer,
    look: () => this.#visible(),
    loadMore: () => this.#try(() => this.#conversations.loadMore()),
    loadOlder: () => this.#open?.loadOlder(),
    openDrawer: () => this.#drawer.open(),
    begin: () => this.#new(),
    choose: (agent) => (this.#agent = agent),
    suggest: (text) => this.#send({ text }),
    rename: (title) => this.#rename(title),
    remove: () => this.#remove(),
    decide: (toolCallId, resolution) => this.#decide(toolCallId, resolution),
    refresh: () => this.#open?.restart(),
    allowAlways: (tool) => this.#permissions.allow(tool),
    askAgain: (tool) => this.#try(() => this.#permissions.takeBack(tool)),
    isAlwaysAllowed: (tool) => this.#permissions.isAllowed(tool),
    usage: (turn) => usageOf(this.#open.state.events, turn),
    editUnsent: (clientId) => this.#composer.put(this.#outbox.take(clientId)),
    discardUnsent: (clientId) => this.#outbox.take(clientId),
  });
  #outbox = new Outbox({
    onChange: () => this.#screen.invalidate(),
    onCreated: (id) => this.#created(id),
    onUp: () => this.#link.up("outbox"),
    onDown: (retryAt, isBusy) => this.#link.down("outbox", retryAt, isBusy),
  });

  start() {
    element("new").addEventListener("click", () => this.#new());
    element("new-keys").textContent = newKeys;
    themeToggle(element("theme"));
    bindKeys({ create: () => this.#new(), dismiss: () => this.#dismiss() });
    addEventListener("hashchange", () => this.#route());
    addEventListener("online", () => this.#wake());
    // The service may be on this machine, which a lost network does not touch: so only look whether it answers.
    addEventListener("offline", () => this.#open?.restart());
    document.addEventListener("visibilitychange", () => this.#visibilityChanged());
    this.#route();
    this.#loadSurroundings();
    this.#outbox.flush();
  }

  async #loadSurroundings() {
    this.#conversations.refresh();
    try {
      const [info] = await Promise.all([api.info(), this.#agents.load()]);
      this.#agent ??= this.#agents.default;
      this.#composer.limit = info.max_attachment_bytes;
      element("about").replaceChildren(...about(info));
      if (!this.#open) this.#screen.greet();
      this.#screen.invalidate();
      this.#lookAround();
    } catch {
      // Not needed to talk; fetched again when the connection is back.
    }
  }

  // -- which conversation is open

  #route() {
    const match = /^#\/c\/(.+)$/.exec(location.hash);
    const id = match && decodeURIComponent(match[1]);
    if (id === this.#open?.id) return;
    this.#open?.close();
    this.#open = id ? new Conversation(id, (...change) => this.#changed(...change), this.#link) : null;
    this.#outbox.prune((entry) => entry.conversationId !== id);
    this.#composer.open(id);
    this.#drawer.close();
    if (!id) this.#screen.greet();
    else if (!this.#outbox.isUnborn(id)) this.#open.start();
    this.#screen.renderList();
    this.#screen.invalidate();
    // On a touch screen the focus would open the keyboard; in the list it would leave the arrow keys' place.
    const isWalking = element("conversations").contains(document.activeElement);
    if (matchMedia("(hover: hover)").matches && !isWalking) this.#composer.focus();
  }

  #created(id) {
    if (this.#open?.id === id) this.#open.revive();
    this.#conversations.announce();
  }

  #new() {
    location.hash = "#/";
    this.#drawer.close();
    this.#composer.focus();
  }

  /** What the screen shows is taken from here whenever it renders. */
  #visible() {
    return { open: this.#open, list: this.#conversations, outbox: this.#outbox, agents: this.#agents, agent: this.#agent };
  }

  // -- what people do

  #send(message) {
    if (this.#open) {
      this.#outbox.add(this.#open.id, message);
    } else {
      const id = newId();
      // An agent that gives titles gives one only to a conversation without a title.
      const title = this.#agents.find(this.#agent)?.gives_titles ? null : titleFrom(message);
      const create = { ...(title && { title }), ...(this.#agent && { agent: this.#agent }) };
      this.#outbox.add(id, message, create);
      location.hash = `#/c/${id}`;
    }
    this.#composer.focus();
  }

  #cancel() {
    const { id, state } = this.#open;
    this.#try(() => api.cancel(id, turnToCancel(state)), ["not_running"]);
  }

  #dismiss() {
    if (this.#drawer.isOpen) this.#drawer.close();
    else if (this.#open && isBusy(this.#open.state)) this.#cancel();
    else this.#screen.files.close();
  }

  async #decide(toolCallId, resolution) {
    await api.resolve(this.#open.id, { tool_call_id: toolCallId, ...resolution });
    this.#composer.focus();
  }

  #rename(title) {
    const { id } = this.#open;
    this.#open.meta.title = title;
    this.#try(() => this.#conversations.rename(id, title));
  }

  async #remove() {
    const { id, meta } = this.#open;
    const text = `“${meta?.title || "Untitled"}” and everything said in it will be gone for good.`;
    if (!(await confirm({ title: "Delete this conversation?", text, action: "Delete" }))) return;
    const open = this.#open;
    open.rest(); // else the lost connection would be opened again, to a conversation that is gone
    const done = await this.#try(async () => {
      await api.remove(id);
      open.close();
      this.#conversations.forget(id);
    });
    if (this.#open !== open) return;
    if (done) this.#new();
    else open.start();
  }

  /** Whether it worked; if not, the person is told, unless the reason is `harmless`. */
  async #try(action, harmless = []) {
    try {
      await action();
      return true;
    } catch (error) {
      if (!harmless.includes(error.code)) toast(error.message);
      return false;
    }
  }

  // -- what changes

  #changed(conversation, event) {
    if (conversation !== this.#open) return;
    const { state, id, phase } = conversation;
    this.#conversations.note(id, { state: state.machine, ...(event?.type === "title_changed" && { title: event.title }) });
    if (phase === "open") this.#lookAround();
    if (event?.type === "turn_ended" && this.#keepsFiles()) conversation.files.refreshSoon();
    if (event) this.#announcer.say(announcementOf(event));
    if (event?.type === "turn_ended" || event?.type === "suspension") this.#conversations.announce();
    this.#outbox.prune((entry) => entry.conversationId === id && state.clientIds.has(entry.clientId));
    this.#screen.invalidate();
  }

  /** Fetches, once, what the newest page of the log does not bring: the files, and an old plan. */
  #lookAround() {
    const open = this.#open;
    if (open?.phase !== "open" || !this.#agents.isLoaded || this.#surveyed === open) return;
    this.#surveyed = open;
    if (this.#keepsFiles()) open.files.refresh();
    if (this.#agents.plans(open.meta.agent)) open.findPlan();
  }

  #keepsFiles() {
    return this.#agents.keepsFiles(this.#open.meta?.agent);
  }

  #listChanged() {
    const { items } = this.#conversations;
    if (this.#open?.phase === "open" && !items.some((item) => item.id === this.#open.id)) this.#open.verify();
    this.#screen.renderList();
  }

  #linkChanged(link) {
    this.#banner.render(link);
    this.#announcer.say(link.isUp ? "Connected again" : "Connection lost");
    if (!link.isUp) return;
    this.#conversations.refreshSoon();
    if (!this.#agents.isLoaded) this.#loadSurroundings();
  }

  #wake() {
    this.#open?.wake();
    this.#outbox.wake();
    this.#conversations.refreshSoon();
  }

  #visibilityChanged() {
    clearTimeout(this.#restTimer);
    if (document.visibilityState === "hidden") {
      this.#restTimer = setTimeout(() => this.#open?.rest(), REST_AFTER);
      return;
    }
    if (this.#open?.phase !== "missing" && this.#open && !this.#outbox.isUnborn(this.#open.id)) this.#open.start();
    this.#wake();
  }
}

/** A title for a conversation that begins with a message. */
function titleFrom({ text, blocks = [] }) {
  const line = text.split("\n", 1)[0] || blocks.find((block) => block.title)?.title || "A picture";
  return line.length <= TITLE_LENGTH ? line : `${line.slice(0, TITLE_LENGTH - 1).trimEnd()}…`;
}

function about({ version, offline, dashboard }) {
  const note = "No API key is set: a scripted model answers, without any network.";
  return [
    offline && h("span", { class: "offline", title: note }, "Offline model"),
    h("span", {}, `Raylogue ${version}`),
    dashboard && h("a", { href: dashboard, target: "_blank", rel: "noopener" }, "Ray dashboard"),
  ].filter(Boolean);
}

new App().start();

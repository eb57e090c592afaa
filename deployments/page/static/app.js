// The composition root: joins the open conversation, the list, the outbox and the screen.

import { conversationAddress, conversationIn } from "./address.js";
import * as api from "./api.js";
import { Agents } from "./agents.js";
import { announcementOf, Announcer } from "./announcer.js";
import { watchAttention } from "./attention.js";
import { ClientCalls } from "./client_calls.js";
import { ClientTools } from "./client_tools.js";
import { cluster } from "./cluster/cluster.js";
import { Conversation } from "./conversation.js";
import { titleOf } from "./content.js";
import { Conversations } from "./conversations.js";
import { bindKeys, newKeys } from "./keys.js";
import { Feed } from "./feed.js";
import { Link } from "./link.js";
import { newId, Outbox } from "./outbox.js";
import { Permissions } from "./permissions.js";
import { Places } from "./places.js";
import { Rights } from "./rights.js";
import { Screen } from "./screen.js";
import { isBusy, turnToCancel } from "./state.js";
import { usageOf } from "./usage.js";
import { about } from "./views/about.js";
import { Banner } from "./views/banner.js";
import { Composer } from "./views/composer.js";
import { confirm, toast } from "./views/dialog.js";
import { Drawer } from "./views/drawer.js";
import { element } from "./views/element.js";
import { share } from "./views/share.js";
import { askForKey } from "./views/sign_in.js";
import { Finder } from "./views/finder.js";
import { themeToggle } from "./views/theme_toggle.js";
import { memory } from "./memory/memory.js";
import { work } from "./work/work.js";

class App {
  #agents = new Agents();
  #permissions = new Permissions();
  #clientTools = new ClientTools(() => this.#open?.restart());
  #clientCalls = new ClientCalls(this.#clientTools);
  #agent = null;
  /** Who has signed in, once that is known. */
  #who = null;
  #open = null;
  /** The conversation whose files and plan, which the log does not bring, have been fetched. */
  #surveyed = null;
  /** Whether the list has the open conversation; one that disappears from it may be gone. */
  #wasListed = false;

  #announcer = new Announcer(element("announcer"));
  #link = new Link((link) => this.#linkChanged(link));
  #banner = new Banner(element("banner"), () => this.#wake());
  #drawer = new Drawer();
  #feed = new Feed((event) => this.#told(event), this.#link);
  #conversations = new Conversations(() => this.#listChanged(), this.#link, () => this.#feed.isLive);
  #finder = new Finder(element("finder"), (wanted) => this.#conversations.find(wanted));
  #places = new Places([work, memory, cluster], { openDrawer: () => this.#drawer.open(), announce: (words) => this.#announcer.say(words) });
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
    archive: (isArchived) => this.#try(() => this.#archive(isArchived)),
    exportAddress: (format) => api.exportAddress(this.#open.id, format),
    branch: (seq) => this.#branch(seq),
    share: () => share(this.#open.id, this.#who, this.#screen.rights.mayOwn),
    decide: (toolCallId, resolution) => this.#decide(toolCallId, resolution),
    refresh: () => this.#open?.restart(),
    allowAlways: (tool) => this.#permissions.allow(tool),
    askAgain: (tool) => this.#try(() => this.#permissions.takeBack(tool)),
    isAlwaysAllowed: (tool) => this.#permissions.isAllowed(tool),
    clientRoleOf: (tool) => (this.#clientTools.added(tool) ? "runs" : this.#clientTools.isBuiltIn(tool) ? "form" : null),
    attachmentLimit: () => this.#composer.limit,
    usage: (turn) => usageOf(this.#open.state.events, turn),
    dropTurn: (turn) => this.#try(() => api.dropTurn(this.#open.id, turn)),
    restoreTurn: (turn) => this.#try(() => api.restoreTurn(this.#open.id, turn)),
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
    api.whenSignedOut(askForKey);
    element("new").addEventListener("click", () => this.#new());
    element("new-keys").textContent = newKeys;
    themeToggle(element("theme"));
    bindKeys({ create: () => this.#new(), dismiss: () => this.#dismiss(), skip: () => this.#focusContent() }, element("skip"));
    addEventListener("hashchange", () => this.#route());
    addEventListener("online", () => this.#wake());
    // The service may be on this machine, which a lost network does not touch: so only look whether it answers.
    addEventListener("offline", () => this.#open?.restart());
    watchAttention({ onLook: () => this.#look(), onRest: () => this.#rest() });
    this.#route();
    this.#loadSurroundings();
    this.#outbox.flush();
  }

  async #loadSurroundings() {
    this.#conversations.refresh();
    try {
      const [info, who] = await Promise.all([api.info(), api.whoami(), this.#agents.load()]);
      this.#agent ??= this.#agents.default;
      this.#who = who;
      this.#finder.offer(this.#agents.items.map(({ name }) => name));
      this.#feed.start(who.principal);
      this.#places.enter({ who, agents: this.#agents, link: this.#link });
      this.#composer.limit = info.max_attachment_bytes;
      element("about").replaceChildren(...about(info, who));
      if (!this.#open) this.#screen.greet();
      this.#screen.invalidate();
      this.#lookAround();
    } catch {
      // Not needed to talk; fetched again when the connection is back.
    }
  }

  /** What other scripts of this page may use. */
  get hooks() {
    return Object.freeze({ clientTool: (name, run) => this.#clientTools.add(name, run) });
  }

  // -- which conversation is open

  #route() {
    this.#drawer.close();
    const isPlace = this.#places.route();
    const id = isPlace ? null : conversationIn();
    if (id === this.#open?.id) return;
    this.#open?.close();
    this.#open = id ? this.#conversation(id) : null;
    this.#wasListed = false;
    this.#outbox.prune((entry) => entry.conversationId !== id);
    this.#composer.open(id);
    if (!id) this.#screen.greet();
    else if (!this.#outbox.isUnborn(id)) this.#open.start();
    this.#screen.renderList();
    this.#screen.invalidate();
    // On a touch screen the focus would open the keyboard; in the list it would leave the arrow keys' place.
    const isWalking = element("conversations").contains(document.activeElement);
    if (matchMedia("(hover: hover)").matches && !isWalking && !isPlace) this.#composer.focus();
  }

  #conversation(id) {
    // What a sub-agent asks is answered at its parent.
    const isTheirs = (meta) => meta.parent || !new Rights(meta, this.#who).mayDecide;
    const names = (meta) => (isTheirs(meta) ? [] : this.#clientTools.namesFor(this.#agents.find(meta.agent)));
    return new Conversation(id, (...change) => this.#changed(...change), this.#link, names);
  }

  #created(id) {
    if (this.#open?.id === id) this.#open.revive();
    this.#conversations.refreshSoon();
  }

  #new() {
    location.hash = "#/";
    this.#drawer.close();
    this.#composer.focus();
  }

  /** What the screen shows is taken from here whenever it renders. */
  #visible() {
    const [open, list, outbox, agents, agent] = [this.#open, this.#conversations, this.#outbox, this.#agents, this.#agent];
    return { open, list, outbox, agents, agent, who: this.#who, isPlace: this.#places.isOpen };
  }

  // -- what people do

  #send(message) {
    if (this.#open) {
      this.#outbox.add(this.#open.id, message);
    } else {
      const id = newId();
      // An agent that gives titles gives one only to a conversation without a title.
      const title = this.#agents.find(this.#agent)?.gives_titles ? null : titleOf(message);
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

  #focusContent() {
    if (this.#places.isOpen) element("place").focus();
    else this.#composer.focus();
  }

  #dismiss() {
    if (this.#drawer.isOpen) this.#drawer.close();
    else if (this.#open && isBusy(this.#open.state) && this.#screen.rights.mayWrite) this.#cancel();
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

  async #archive(isArchived) {
    const { id } = this.#open;
    await api.setArchived(id, isArchived);
    this.#conversations.note(id, { archived: isArchived });
    if (this.#open?.id === id) this.#open.look();
    this.#conversations.refreshSoon();
  }

  /** Begins a conversation that goes on from a message of the open one. */
  #branch(seq) {
    const { id } = this.#open;
    return this.#try(async () => (location.hash = conversationAddress((await api.fork(id, seq)).id)));
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
    if (phase === "deleted") return this.#closeDeleted();
    this.#conversations.note(id, { state: state.machine, ...(event?.type === "title_changed" && { title: event.title }) });
    if (phase === "open") this.#lookAround();
    if (this.#screen.rights.mayDecide) this.#clientCalls.look(conversation);
    if (event?.type === "turn_ended" && this.#keepsFiles()) conversation.files.refreshSoon();
    if (event) this.#announcer.say(announcementOf(event, this.#screen.rights.mayDecide));
    this.#outbox.prune((entry) => entry.conversationId === id && state.clientIds.has(entry.clientId));
    this.#screen.invalidate();
  }

  /** The open conversation was deleted somewhere else. */
  #closeDeleted() {
    const { id, meta } = this.#open;
    this.#open.close();
    this.#conversations.forget(id);
    const isOwn = meta.owner === this.#who?.principal;
    toast(`“${meta.title || "Untitled"}” ${isOwn ? "was deleted" : "was deleted, or is not shared with you any more"}.`);
    this.#new();
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
    const isListed = items.some((item) => item.id === this.#open?.id);
    if (this.#open?.phase === "open" && this.#wasListed && !isListed) this.#open.look();
    this.#wasListed = isListed;
    this.#screen.renderList();
    this.#screen.invalidate();
  }

  /** The feed tells what has happened to something of the person's. */
  #told(event) {
    this.#places.told(event);
    if (!event.conversation_id) return;
    if (event.type !== "members_changed") return this.#conversations.take(event);
    if (event.conversation_id === this.#open?.id) this.#open.look();
    // What changes for others is shown where it is asked for.
    if (event.principal !== this.#who.principal) return;
    if (event.role === null) this.#conversations.forget(event.conversation_id);
    else this.#conversations.take(event);
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
    this.#feed.wake();
    this.#outbox.wake();
    this.#places.wake();
    this.#conversations.refreshSoon();
  }

  #rest() {
    this.#open?.rest();
    this.#feed.rest();
  }

  #look() {
    if (this.#who) this.#feed.start(this.#who.principal);
    if (this.#open?.phase !== "missing" && this.#open && !this.#outbox.isUnborn(this.#open.id)) this.#open.start();
    this.#wake();
  }
}

const app = new App();
window.raylogue = app.hooks;
app.start();

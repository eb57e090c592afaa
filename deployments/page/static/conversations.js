// The list of conversations: fetched once, then kept up to date by what the feed tells.

import * as api from "./api.js";

/** How often the list is fetched while the feed is away, and the tab visible. */
const REFRESH = 30_000;
const HURRY = 250;
/** The least time between two refreshes that the feed asks for, in ms: a program may begin many conversations. */
const INTERVAL = 500;

/** So many pages are looked through for the first conversation that is looked for; and for one between those of batches. */
const MAX_PAGES = 5;
const MAX_OWN_PAGES = 20;
/** A batch has a conversation for each row: they are listed when one asks for their channel, or for all. */
const OWN = { without_channel: "batch" };
const OF_BATCH = /^batch-[0-9a-zA-Z]{1,64}-[0-9]+(-[0-9]+)?$/;

export class Conversations {
  items = [];
  next = null;
  isLoaded = false;
  #onChange;
  #link;
  #isLive;
  #soon = null;
  #refreshedAt = 0;
  #hasFailed = false;
  /** How many refreshes are on their way. */
  #refreshing = 0;
  #wanted = {};

  /** `isLive()` tells whether the feed says what happens. */
  constructor(onChange, link, isLive) {
    this.#onChange = onChange;
    this.#link = link;
    this.#isLive = isLive;
    setInterval(() => document.visibilityState === "visible" && this.#isStale() && this.refresh(), REFRESH);
  }

  /**
   * Lists those that `wanted` asks for, as the parameters of `api.list`, where the channel may also be `any`; none: all that
   * are neither archived nor rows of batches.
   */
  find(wanted) {
    this.#wanted = wanted;
    this.items = [];
    this.next = null;
    this.isLoaded = false;
    return this.refresh();
  }

  /** Whether something is looked for, so that not all are listed. */
  get isFiltered() {
    return Object.keys(this.#wanted).length > 0;
  }

  /** Fetches as many as are shown already, newest first; a failure is told to the link and tried again in time. */
  async refresh() {
    this.#refreshedAt = Date.now();
    const wanted = this.#wanted;
    this.#refreshing++;
    try {
      const page = await firstOf(wanted);
      if (wanted !== this.#wanted) return; // something else is looked for by now
      const fresh = new Set(page.conversations.map((item) => item.id));
      // Pages that were loaded behind the first stay, but a row that moved up is not shown twice.
      const rest = this.items.slice(page.conversations.length);
      const isLonger = page.next !== null && rest.length > 0;
      this.items = [...page.conversations, ...(isLonger ? rest.filter((item) => !fresh.has(item.id)) : [])];
      if (!isLonger) this.next = page.next;
      this.isLoaded = true;
      this.#hasFailed = false;
      this.#link.up("list");
      this.#onChange();
    } catch {
      this.#hasFailed = true;
      this.#link.down("list", Date.now() + REFRESH);
    } finally {
      this.#refreshing--;
    }
  }

  /** Refreshes once for a burst of reasons. */
  refreshSoon() {
    const pause = Math.max(HURRY, this.#refreshedAt + INTERVAL - Date.now());
    this.#soon ??= setTimeout(() => {
      this.#soon = null;
      this.refresh();
    }, pause);
  }

  /** Whether something may have happened that this page was not told. */
  #isStale() {
    return this.#hasFailed || !this.#isLive();
  }

  async loadMore() {
    const wanted = this.#wanted;
    const page = await api.list(parametersOf(wanted), this.next);
    if (wanted !== this.#wanted) return;
    const known = new Set(this.items.map((item) => item.id));
    this.items = [...this.items, ...page.conversations.filter((item) => !known.has(item.id))];
    this.next = page.next;
    this.#onChange();
  }

  /** Shows what is already known of one conversation, without asking. */
  note(id, fields) {
    const item = this.#find(id);
    if (!item || Object.entries(fields).every(([name, value]) => item[name] === value)) return;
    this.items = this.items.map((other) => (other === item ? { ...item, ...fields } : other));
    this.#onChange();
  }

  /** Takes an event of the feed. */
  take(event) {
    const item = this.#find(event.conversation_id);
    const change = CHANGES[event.type];
    const isGone = event.type === "conversation_deleted" || (event.type === "conversation_archived" && !this.isFiltered);
    if (!item && !this.#wanted.channel && OF_BATCH.test(event.conversation_id)) return;
    if (isGone) this.forget(event.conversation_id);
    else if (!item || !change || this.isFiltered) this.refreshSoon();
    else this.#change(item, { ...change(item, event), updated_at: Math.max(item.updated_at, event.at) });
    // What is on its way may have been read before this happened.
    if (this.#refreshing > 0) this.refreshSoon();
  }

  async rename(id, title) {
    await api.rename(id, title);
    this.note(id, { title });
  }

  /** It has been deleted, or is not shared any more. */
  forget(id) {
    if (!this.#find(id)) return;
    this.items = this.items.filter((item) => item.id !== id);
    this.#onChange();
  }

  #find(id) {
    return this.items.find((item) => item.id === id);
  }

  #change(item, fields) {
    const others = this.items.filter((other) => other !== item);
    this.items = [...others, { ...item, ...fields }].sort((a, b) => b.updated_at - a.updated_at);
    this.#onChange();
  }
}

/** The first page that has something: the service looks only so far for what few conversations are. */
async function firstOf(wanted) {
  const parameters = parametersOf(wanted);
  const most = Object.keys(wanted).length > 0 ? MAX_PAGES : MAX_OWN_PAGES;
  let page = await api.list(parameters);
  for (let tries = 1; page.conversations.length === 0 && page.next !== null && tries < most; tries++) {
    page = await api.list(parameters, page.next);
  }
  return page;
}

function parametersOf({ channel, ...others }) {
  if (!channel) return { ...OWN, ...others };
  return channel === "any" ? others : { channel, ...others };
}

/** What an event makes of a listed conversation; after every other event the list is fetched. */
const CHANGES = {
  conversation_renamed: (_, { title }) => ({ title }),
  turn_started: () => ({ state: "preparing", pending: {} }),
  turn_ended: () => ({ state: "idle", pending: {} }),
  question_asked: ({ pending }, { tool_call_id: id, kind, prompt }) => waiting({ ...pending, [id]: { kind, prompt } }),
  question_answered: ({ pending }, { tool_call_id: id }) => waiting(without(pending, id)),
  question_expired: ({ pending }, { tool_call_id: id }) => waiting(without(pending, id)),
};

const waiting = (pending) => ({ pending, state: Object.keys(pending).length > 0 ? "awaiting_input" : "executing_tools" });
const without = (pending, id) => Object.fromEntries(Object.entries(pending).filter(([name]) => name !== id));

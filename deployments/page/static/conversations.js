// The list of conversations: fetched, refreshed while the tab is visible, and in step with the other tabs.

import * as api from "./api.js";

const REFRESH = 20_000;
const HURRY = 250;

export class Conversations {
  items = [];
  next = null;
  isLoaded = false;
  #onChange;
  #link;
  #soon = null;
  #tabs = new BroadcastChannel("raylogue");

  constructor(onChange, link) {
    this.#onChange = onChange;
    this.#link = link;
    this.#tabs.addEventListener("message", () => this.refreshSoon());
    setInterval(() => document.visibilityState === "visible" && this.refresh(), REFRESH);
  }

  /** Fetches as many as are shown already, newest first; a failure is told to the link and tried again in time. */
  async refresh() {
    try {
      const page = await api.list();
      const fresh = new Set(page.conversations.map((item) => item.id));
      // Pages that were loaded behind the first stay, but a row that moved up is not shown twice.
      const rest = this.items.slice(page.conversations.length);
      const isLonger = page.next !== null && rest.length > 0;
      this.items = [...page.conversations, ...(isLonger ? rest.filter((item) => !fresh.has(item.id)) : [])];
      if (!isLonger) this.next = page.next;
      this.isLoaded = true;
      this.#link.up("list");
      this.#onChange();
    } catch {
      this.#link.down("list", Date.now() + REFRESH);
    }
  }

  /** Refreshes once for a burst of reasons. */
  refreshSoon() {
    this.#soon ??= setTimeout(() => {
      this.#soon = null;
      this.refresh();
    }, HURRY);
  }

  async loadMore() {
    const page = await api.list(this.next);
    const known = new Set(this.items.map((item) => item.id));
    this.items = [...this.items, ...page.conversations.filter((item) => !known.has(item.id))];
    this.next = page.next;
    this.#onChange();
  }

  /** Shows what is already known of one conversation, without asking. */
  note(id, fields) {
    const item = this.items.find((candidate) => candidate.id === id);
    if (!item || Object.entries(fields).every(([name, value]) => item[name] === value)) return;
    this.items = this.items.map((other) => (other === item ? { ...item, ...fields } : other));
    this.#onChange();
  }

  /** Tells the other tabs that the list changed, and refreshes this one. */
  announce() {
    this.#tabs.postMessage("changed");
    this.refreshSoon();
  }

  async rename(id, title) {
    await api.rename(id, title);
    this.note(id, { title });
    this.announce();
  }

  /** It has been deleted. */
  forget(id) {
    this.items = this.items.filter((item) => item.id !== id);
    this.announce();
  }
}

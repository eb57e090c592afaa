// Messages on their way: kept in the browser until the service has them, and sent again under the same client id.

import * as api from "./api.js";
import { delayBefore, Pause } from "./backoff.js";
import { messageFields } from "./log_rows.js";

const PREFIX = "raylogue.outbox.";

export class Outbox {
  #entries = new Map();
  #pause = new Pause();
  #sending = false;
  #onChange;
  #onCreated;
  #onUp;
  #onDown;

  /** `onCreated(id)` tells that a conversation begun here now exists; `onUp` and `onDown` are those of `Stream`. */
  constructor({ onChange, onCreated, onUp, onDown }) {
    this.#onChange = onChange;
    this.#onCreated = onCreated;
    this.#onUp = onUp;
    this.#onDown = onDown;
    for (const key of Object.keys(localStorage)) this.#load(key);
    // Another tab may have added a message, or sent one.
    addEventListener("storage", (event) => event.key?.startsWith(PREFIX) && this.#load(event.key));
  }

  /** The entries of one conversation, oldest first. */
  of(conversationId) {
    return this.#oldestFirst().filter((entry) => entry.conversationId === conversationId);
  }

  /** Whether a conversation was begun here and the service may not know it yet. */
  isUnborn(conversationId) {
    return this.of(conversationId).some((entry) => entry.create && entry.state !== "sent");
  }

  /**
   * Takes a message, `{text, blocks, onBusy, model}`; `create` holds the fields of a conversation that does not
   * exist yet.
   */
  add(conversationId, message, create = null) {
    this.#store({ clientId: newId(), conversationId, ...message, create, at: Date.now(), state: "sending", reason: null });
    this.flush();
  }

  /** Removes an entry, and returns its message. */
  take(clientId) {
    const entry = this.#entries.get(clientId);
    this.#forget(clientId);
    return { text: entry?.text ?? "", blocks: entry?.blocks ?? [] };
  }

  /** Removes what is in the log by now. */
  prune(isLogged) {
    for (const entry of this.#entries.values()) if (entry.state === "sent" && isLogged(entry)) this.#forget(entry.clientId);
  }

  wake() {
    this.#pause.end();
  }

  /** Sends what waits, one message after another. */
  async flush() {
    this.wake();
    if (this.#sending) return;
    this.#sending = true;
    for (let attempt = 0, entry; (entry = this.#next()); ) {
      const trouble = await this.#try(entry);
      if (trouble === null) attempt = 0;
      else await this.#rest(entry, attempt++, trouble);
    }
    this.#sending = false;
  }

  /** Null when the message was taken or refused, else the error that may pass. */
  async #try(entry) {
    const { clientId } = entry;
    try {
      await this.#deliver(entry);
      this.#onUp();
      localStorage.removeItem(PREFIX + clientId);
      if (this.#entries.has(clientId)) this.#keep({ ...entry, state: "sent" });
    } catch (error) {
      if (!api.isFinal(error)) return error;
      if (this.#entries.has(clientId)) this.#store({ ...entry, state: "failed", reason: error.message });
    }
    return null;
  }

  async #deliver(entry) {
    const { conversationId, clientId, create, onBusy, model } = entry;
    if (create) await this.#create({ id: conversationId, ...create });
    const content = contentOf(entry);
    await api.send(conversationId, { content, client_id: clientId, on_busy: onBusy ?? "queue", ...(model && { model }) });
  }

  async #create(fields) {
    try {
      await api.create(fields);
    } catch (error) {
      // An earlier attempt got through and only its answer was lost.
      if (error.code !== "conversation_exists") throw error;
    }
    this.#onCreated(fields.id);
  }

  async #rest(entry, attempt, trouble) {
    const delay = delayBefore(attempt, trouble.retryAfter ?? 0);
    if (this.#entries.has(entry.clientId)) this.#keep({ ...entry, state: "waiting" });
    this.#onDown(Date.now() + delay, api.isBusy(trouble));
    await this.#pause.wait(delay);
  }

  #next() {
    return this.#oldestFirst().find((entry) => entry.state === "sending" || entry.state === "waiting");
  }

  #oldestFirst() {
    return [...this.#entries.values()].sort((a, b) => a.at - b.at);
  }

  #load(key) {
    if (!key.startsWith(PREFIX)) return;
    const clientId = key.slice(PREFIX.length);
    const stored = localStorage.getItem(key);
    if (stored) this.#keep({ ...JSON.parse(stored), clientId });
    else if (this.#entries.get(clientId)?.state !== "sent") this.#forget(clientId);
  }

  #store(entry) {
    try {
      localStorage.setItem(PREFIX + entry.clientId, JSON.stringify(entry));
    } catch {
      // A browser keeps only so much: a message with large pictures is sent, but lost by a reload before that.
      localStorage.removeItem(PREFIX + entry.clientId);
    }
    this.#keep(entry);
  }

  #keep(entry) {
    this.#entries.set(entry.clientId, { ...entry, row: rowOf(entry) });
    this.#onChange();
  }

  #forget(clientId) {
    localStorage.removeItem(PREFIX + clientId);
    this.#entries.delete(clientId);
    this.#onChange();
  }
}

/** A random id; `crypto.randomUUID` is missing where the page is not served from a secure origin. */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The attachments, then the text. */
function contentOf({ text, blocks = [] }) {
  return [...blocks, ...(text ? [{ type: "text", text }] : [])];
}

/** The same key as the row in the log will have, so that the message stays where it is when it arrives there. */
function rowOf(entry) {
  const { clientId, at, state, reason } = entry;
  return { key: `user:${clientId}`, kind: "user", by: "user", clientId, ...messageFields(contentOf(entry)), at, delivery: state, reason };
}

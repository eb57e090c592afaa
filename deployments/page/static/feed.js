// What happens in the person's conversations: one connection for all tabs of this browser, which share what it brings.

import * as api from "./api.js";
import { Stream } from "./stream.js";

export class Feed {
  #onEvent;
  #link;
  #stream;
  #tabs = null;
  #name = null;
  /** The last event that this browser was told of: another tab goes on from there when this one is closed. */
  #last = null;
  #isUp = false;
  #isLeading = false;
  #leave = null;

  /** `onEvent(event)` gets each event, whichever tab of this browser has received it. */
  constructor(onEvent, link) {
    this.#onEvent = onEvent;
    this.#link = link;
    this.#stream = new Stream({
      connect: (signal) => api.watchFeed(this.#last, signal),
      onEvent: (event) => this.#receive(event),
      onUp: () => this.#tell(true),
      onDown: (retryAt, isBusy) => {
        this.#link.down("feed", retryAt, isBusy);
        this.#tell(false);
      },
      // The list is then asked for now and then.
      onEnd: () => this.#tell(false),
    });
  }

  /** Whether all that happens is heard of, here or in another tab. */
  get isLive() {
    return this.#isUp;
  }

  /** Follows the feed of `principal`, as one of the tabs that do. */
  start(principal) {
    if (this.#tabs === null) {
      this.#name = `raylogue.feed ${principal}`;
      this.#tabs = new BroadcastChannel(this.#name);
      this.#tabs.addEventListener("message", ({ data }) => this.#hear(data));
      this.#tabs.postMessage({ question: true });
    }
    if (this.#leave === null) this.#lead();
  }

  /** Leaves it to the other tabs while no person looks at this one. */
  rest() {
    this.#leave?.abort();
    this.#leave = null;
  }

  wake() {
    if (this.#isLeading) this.#stream.wake();
  }

  /** Follows the feed as soon as no other tab does, until `rest`. */
  async #lead() {
    const leave = (this.#leave = new AbortController());
    const follow = () =>
      new Promise((resolve) => {
        this.#isLeading = true;
        leave.signal.addEventListener("abort", resolve);
        this.#stream.start();
      });
    // Without a secure origin the browser has no locks: then each tab has a connection of its own.
    if (navigator.locks) await navigator.locks.request(this.#name, { signal: leave.signal }, follow).catch(() => undefined);
    else await follow();
    if (!this.#isLeading) return;
    this.#isLeading = false;
    this.#stream.stop();
    this.#link.up("feed");
    this.#tell(false);
  }

  #receive(event) {
    this.#tabs.postMessage({ event });
    this.#take(event);
  }

  #take(event) {
    this.#last = event.id;
    if (event.type !== "resumed") this.#onEvent(event);
  }

  #tell(isUp) {
    this.#isUp = isUp;
    if (isUp) this.#link.up("feed");
    this.#tabs.postMessage({ isUp });
  }

  /** What another tab says. */
  #hear({ event, isUp, question }) {
    if (event) this.#take(event);
    if (isUp !== undefined && !this.#isLeading) this.#isUp = isUp;
    if (question && this.#isLeading) this.#tabs.postMessage({ isUp: this.#isUp });
  }
}

// Asks for what a view shows, again and again, while the view is open and a person may look at it.

import { isBusy, isFinal } from "../api.js";
import { delayBefore } from "../backoff.js";

const SOURCE = "view";
/** So long, in ms, what is told is gathered, before it is looked at. */
const HURRY = 250;

export class Polling {
  #look;
  #link;
  #onRefused;
  #timer = null;
  #failures = 0;
  #isLooking = false;
  /** Whether to look once more when the look on its way is over: it may have seen what was before. */
  #isAsked = false;
  #isOpen = true;

  /**
   * `look()` fetches and shows, and resolves to the pause in ms before the next look, null: none is needed.
   * `onRefused(error)` is told of a refusal that asking again would not change.
   */
  constructor(look, { link, onRefused }) {
    this.#look = look;
    this.#link = link;
    this.#onRefused = onRefused;
    this.now();
  }

  /** Looks at once. */
  async now() {
    clearTimeout(this.#timer);
    if (!this.#isOpen) return;
    this.#isAsked = true;
    if (this.#isLooking) return;
    this.#isLooking = true;
    let pause = null;
    while (this.#isAsked && this.#isOpen) {
      this.#isAsked = false;
      pause = await this.#try();
    }
    this.#isLooking = false;
    if (!this.#isOpen || pause === null) return;
    this.#timer = setTimeout(() => document.visibilityState === "visible" && this.now(), pause);
  }

  /** Looks once for a burst of reasons. */
  soon() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.now(), HURRY);
  }

  stop() {
    this.#isOpen = false;
    clearTimeout(this.#timer);
    this.#link.up(SOURCE);
  }

  async #try() {
    try {
      const pause = await this.#look();
      this.#failures = 0;
      if (this.#isOpen) this.#link.up(SOURCE);
      return pause;
    } catch (error) {
      if (!this.#isOpen) return null;
      if (isFinal(error)) {
        this.#link.up(SOURCE);
        this.#onRefused(error);
        return null;
      }
      const pause = delayBefore(this.#failures++, error.retryAfter);
      this.#link.down(SOURCE, Date.now() + pause, isBusy(error));
      return pause;
    }
  }
}

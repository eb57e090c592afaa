// How long to wait before trying again.

const FIRST = 400;
const LONGEST = 15_000;

/** Milliseconds before attempt `attempt` (0 is the first repeat): doubling, capped, with jitter, and never less than
 * the server asked for. With the jitter a thousand pages do not all come back at the same moment after a restart, or
 * when the service has told all of them to come back in so many seconds. */
export function delayBefore(attempt, retryAfter = 0, random = Math.random) {
  const ceiling = Math.min(LONGEST, FIRST * 2 ** attempt);
  return Math.max(retryAfter * 1000 * (1 + random() / 2), ceiling * (0.5 + random() / 2));
}

/** A pause that can be ended early. */
export class Pause {
  #end = null;

  /** Resolves after `milliseconds`, or as soon as `end` is called. */
  wait(milliseconds) {
    this.end();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#end = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  end() {
    this.#end?.();
    this.#end = null;
  }
}

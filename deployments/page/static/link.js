// Whether the service can be reached, as its users (the stream, the outbox, the list) find it.

/** A shorter interruption is not shown. */
const GRACE = 700;

export class Link {
  /** When the next attempt is made, in ms since the epoch; null while all is well. */
  retryAt = null;
  /** Whether the service is only too busy. */
  isBusy = false;
  #down = new Map();
  #onChange;
  #timer = null;

  constructor(onChange) {
    this.#onChange = onChange;
  }

  get isUp() {
    return this.retryAt === null;
  }

  up(source) {
    this.#down.delete(source);
    if (this.#down.size > 0) return;
    clearTimeout(this.#timer);
    this.#timer = null;
    if (this.isUp) return;
    this.retryAt = null;
    this.#onChange(this);
  }

  down(source, retryAt, isBusy = false) {
    this.#down.set(source, { retryAt, isBusy });
    if (this.isUp) this.#timer ??= setTimeout(() => this.#show(), GRACE);
    else this.#show();
  }

  #show() {
    this.#timer = null;
    const troubles = [...this.#down.values()];
    this.retryAt = Math.min(...troubles.map((trouble) => trouble.retryAt));
    this.isBusy = troubles.every((trouble) => trouble.isBusy);
    this.#onChange(this);
  }
}

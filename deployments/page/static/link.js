// Whether the service can be reached, as its users (the stream, the outbox, the list) find it.

/** An interruption shorter than this is nobody's business. */
const GRACE = 700;

export class Link {
  /** When somebody will try again, in ms since the epoch; null while all is well. */
  retryAt = null;
  /** Whether all that is wrong is that the service has too much to do. */
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

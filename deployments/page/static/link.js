// Whether the service can be reached, as its users (the stream, the outbox, the list) find it.

/** An interruption shorter than this is nobody's business. */
const GRACE = 700;

export class Link {
  /** When somebody will try again, in ms since the epoch; null while all is well. */
  retryAt = null;
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

  down(source, retryAt) {
    this.#down.set(source, retryAt);
    if (this.isUp) this.#timer ??= setTimeout(() => this.#show(), GRACE);
    else this.#show();
  }

  #show() {
    this.#timer = null;
    this.retryAt = Math.min(...this.#down.values());
    this.#onChange(this);
  }
}

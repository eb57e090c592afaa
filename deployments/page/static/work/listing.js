// A list that is long: its newest page is fetched again and again, the earlier ones when they are asked for.

/** What the service gives as one page. */
const MAX_PAGE = 200;
/** The service looks only so far for what few pass: so many pages are asked for until something is found. */
const MAX_TRIES = 5;

export class Listing {
  items = [];
  isLoaded = false;
  #next = null;
  #ask;
  #keyOf;
  #page;
  #generation = 0;

  /** `ask({limit, cursor})` resolves to `{items, next}`; `keyOf(item)` tells items apart. A page has `page` of them. */
  constructor(ask, { keyOf = ({ id }) => id, page = 50 } = {}) {
    this.#ask = ask;
    this.#keyOf = keyOf;
    this.#page = page;
  }

  get hasMore() {
    return this.#next !== null;
  }

  /** Something else is looked for from now on. */
  restart() {
    this.#generation++;
    this.items = [];
    this.#next = null;
    this.isLoaded = false;
  }

  /** Fetches the newest ones; earlier ones that were fetched before stay. */
  async refresh() {
    const generation = this.#generation;
    const limit = Math.min(MAX_PAGE, Math.max(this.#page, this.items.length));
    let { items, next } = await this.#ask({ limit });
    for (let tries = 1; items.length === 0 && next !== null && tries < MAX_TRIES; tries++) {
      ({ items, next } = await this.#ask({ limit, cursor: next }));
    }
    if (generation !== this.#generation) return;
    const earlier = next === null ? [] : this.#without(items, this.items.slice(items.length));
    this.items = [...items, ...earlier];
    if (earlier.length === 0) this.#next = next;
    this.isLoaded = true;
  }

  async more() {
    const generation = this.#generation;
    const { items, next } = await this.#ask({ limit: this.#page, cursor: this.#next });
    if (generation !== this.#generation) return;
    this.items = [...this.items, ...this.#without(this.items, items)];
    this.#next = next;
  }

  #without(known, items) {
    const keys = new Set(known.map(this.#keyOf));
    return items.filter((item) => !keys.has(this.#keyOf(item)));
  }
}

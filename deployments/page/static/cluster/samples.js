// What the service tells only of now, gathered while a view is open: the last values, with their times.

const MAX = 240;

export class Samples {
  #at = [];
  #rows = [];

  /** Keeps a row of values of the time `at` (ms); one that is not newer than the last is the same again. */
  add(at, row) {
    if (this.#at.length > 0 && at <= this.#at.at(-1)) return;
    this.#at.push(at);
    this.#rows.push(row);
    if (this.#at.length > MAX) {
      this.#at.shift();
      this.#rows.shift();
    }
  }

  /** As `Plot` takes it. */
  get data() {
    const width = this.#rows[0]?.length ?? 0;
    return { at: [...this.#at], values: Array.from({ length: width }, (_, index) => this.#rows.map((row) => row[index])) };
  }
}

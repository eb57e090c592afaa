// Follows a conversation for ever: connects, reads, notices silence, and connects again.

import { isBusy, isFinal } from "./api.js";
import { delayBefore, Pause } from "./backoff.js";
import { serverSentEvents } from "./sse.js";

/** The service sends a heartbeat every 15 seconds; after three missed ones the connection counts as dead. */
const SILENCE = 45_000;
/** After a sleep or a change of networks a connection this quiet is not trusted. */
const DOUBTFUL = 20_000;

export class Stream {
  #connect;
  #onEvent;
  #onUp;
  #onDown;
  #onEnd;
  #pause = new Pause();
  #connection = null;
  #heardAt = 0;
  #run = 0;
  #running = false;
  #sentOn = false;

  /**
   * `connect(signal)` opens the stream where the last one left off; `onEvent(event)` gets each event;
   * `onUp()` and `onDown(retryAt, isBusy)` tell how the connection fares; `onEnd(problem)` says that it is over for good.
   */
  constructor({ connect, onEvent, onUp, onDown, onEnd }) {
    this.#connect = connect;
    this.#onEvent = onEvent;
    this.#onUp = onUp;
    this.#onDown = onDown;
    this.#onEnd = onEnd;
  }

  async start() {
    if (this.#running) return;
    this.#running = true;
    // A loop that was stopped may not have ended yet when the next one starts.
    const run = ++this.#run;
    for (let attempt = 0; run === this.#run; attempt++) {
      let trouble = null;
      try {
        if (await this.#follow(run)) attempt = -1;
        if (this.#sentOn) continue;
      } catch (error) {
        if (isFinal(error) && run === this.#run) return this.#finish(error);
        trouble = error;
      }
      if (run === this.#run) await this.#rest(Math.max(attempt, 0), trouble);
    }
  }

  stop() {
    this.#running = false;
    this.#run++;
    this.#pause.end();
    this.#connection?.abort();
  }

  /** Ends a pause between attempts; checks a connection that has been quiet for too long. */
  wake() {
    this.#pause.end();
    if (Date.now() - this.#heardAt > DOUBTFUL) this.#connection?.abort();
  }

  /** Drops the connection and opens it anew: the snapshot brings what was missed. */
  restart() {
    this.#pause.end();
    this.#connection?.abort();
  }

  /** Reads one connection to its end; true if it ever brought anything. */
  async #follow(run) {
    const connection = new AbortController();
    this.#connection = connection;
    const watchdog = setInterval(() => this.#checkSilence(connection), 1000);
    this.#heardAt = Date.now();
    let isLive = false;
    this.#sentOn = false;
    try {
      const response = await this.#connect(connection.signal);
      for await (const { data } of serverSentEvents(response.body, () => (this.#heardAt = Date.now()))) {
        if (run !== this.#run) break;
        if (!isLive) this.#onUp();
        isLive = true;
        const event = JSON.parse(data);
        // This replica stops and another one is there: the page shows nothing of it.
        this.#sentOn = event.type === "reconnect";
        if (this.#sentOn) break;
        this.#onEvent(event);
      }
    } catch (error) {
      if (!isLive) throw error;
    } finally {
      clearInterval(watchdog);
      if (this.#connection === connection) this.#connection = null;
    }
    return isLive;
  }

  #checkSilence(connection) {
    if (Date.now() - this.#heardAt > SILENCE) connection.abort();
  }

  async #rest(attempt, trouble) {
    const delay = delayBefore(attempt, trouble?.retryAfter ?? 0);
    this.#onDown(Date.now() + delay, isBusy(trouble));
    await this.#pause.wait(delay);
  }

  #finish(error) {
    this.stop();
    this.#onEnd(error);
  }
}

// What the person may do with a conversation, as the service has said; the service itself checks each request.

const ALL = ["read", "write", "decide", "own"];
/** The scope that the person's credential must have to make use of a right to what is its own. */
const SCOPE = { read: "read", write: "write", decide: "decide", own: "write" };

export class Rights {
  #rights;

  /** `meta` is what is known of the conversation: null, or without rights, if it only begins here. */
  constructor(meta, who) {
    const scopes = who?.scopes ?? ALL;
    this.#rights = new Set(meta?.rights ?? ALL.filter((right) => scopes.includes(SCOPE[right])));
  }

  get mayWrite() {
    return this.#rights.has("write");
  }

  get mayDecide() {
    return this.#rights.has("decide");
  }

  get mayOwn() {
    return this.#rights.has("own");
  }
}

// The HTTP API of the service, one function per call.

const TIMEOUT = 20_000;
const PROBLEM = "urn:raylogue:problem:";
/** A `before` beyond every seq: the page of history that ends with the newest event. */
const NEWEST = Number.MAX_SAFE_INTEGER;

/** The answer is no. `code` says why in the service's own words; it is null when a proxy answered instead. */
export class Problem extends Error {
  constructor(status, body, retryAfter) {
    super(body.detail || body.title || `The service answered ${status}.`);
    this.status = status;
    this.code = String(body.type).startsWith(PROBLEM) ? body.type.slice(PROBLEM.length) : null;
    this.retryAfter = retryAfter;
  }

  /**
   * Whether asking again in the same words can only bring the same answer. A proxy's no never is: while the service
   * starts, its proxy says 404 to everything.
   */
  get isFinal() {
    return this.code !== null && this.status < 500 && ![408, 425, 429].includes(this.status);
  }
}

/** Whether `error` settles the matter, as opposed to trouble on the way that passes. */
export function isFinal(error) {
  return error instanceof Problem && error.isFinal;
}

export const info = () => call("GET", "/v1/info");
export const agents = () => call("GET", "/v1/agents");
export const list = (cursor) => call("GET", `/v1/conversations?${query({ limit: 50, cursor })}`);
export const one = (id) => call("GET", path(id));
export const create = (fields) => call("POST", "/v1/conversations", fields);
export const rename = (id, title) => call("PATCH", path(id), { title });
export const remove = (id) => call("DELETE", path(id));
export const cancel = (id) => call("POST", path(id, "/cancel"), {});
export const resolve = (id, resolution) => call("POST", path(id, "/resolutions"), resolution);

/** Sends a message; one that meets a running turn waits for the next. */
export const send = (id, text, clientId) =>
  call("POST", path(id, "/messages"), { text, client_id: clientId, on_busy: "queue" });

/** A page of history that ends before `before`, or with the newest event. */
export const historyBefore = (id, before = NEWEST, limit = 80) =>
  call("GET", path(id, `/events?${query({ before, limit, render: "html" })}`));

/** A page of history that begins after `after`. */
export const historyAfter = (id, after, limit = 200) =>
  call("GET", path(id, `/events?${query({ after, limit, render: "html" })}`));

/** The live stream of a conversation after seq `lastSeq`, as a response whose body is still arriving. */
export async function watch(id, lastSeq, signal) {
  const headers = { Accept: "text/event-stream", "Last-Event-ID": String(lastSeq) };
  const response = await fetch(path(id, "/events?render=html"), { headers, signal, cache: "no-store" });
  if (!response.ok) throw await problem(response);
  return response;
}

async function call(method, url, body) {
  const response = await fetch(url, {
    method,
    headers: { Accept: "application/json", ...(body && { "Content-Type": "application/json" }) },
    body: body && JSON.stringify(body),
    cache: "no-store",
    signal: AbortSignal.timeout(TIMEOUT),
  });
  if (!response.ok) throw await problem(response);
  return response.status === 204 ? null : response.json();
}

async function problem(response) {
  // A proxy in between may answer in its own words, so the body is optional.
  const body = await response.json().catch(() => ({}));
  return new Problem(response.status, body, Number(response.headers.get("Retry-After")) || 0);
}

const path = (id, rest = "") => `/v1/conversations/${encodeURIComponent(id)}${rest}`;

function query(fields) {
  return new URLSearchParams(Object.entries(fields).filter(([, value]) => value != null));
}

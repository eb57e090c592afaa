// The HTTP API of the service, one function per call.

const TIMEOUT = 20_000;
const PROBLEM = "urn:raylogue:problem:";
/** A `before` beyond every seq: the page of history that ends with the newest event. */
const NEWEST = Number.MAX_SAFE_INTEGER;
/** The statuses of failures that may pass; among the service's own refusals, a spent budget does not pass. */
const PASSING = new Set([408, 425, 429]);
const SPENT = "budget_exhausted";

/** The service refused. `code` is that of its problem; it is null when a proxy answered instead. */
export class Problem extends Error {
  constructor(status, body, retryAfter) {
    super(body.detail || body.title || `The service answered ${status}.`);
    this.status = status;
    this.code = String(body.type).startsWith(PROBLEM) ? body.type.slice(PROBLEM.length) : null;
    /** The members beside the standard ones, such as the `version` of a conflict. */
    this.members = body;
    this.retryAfter = retryAfter;
  }

  /**
   * Whether asking again in the same words can only bring the same answer. A proxy's no never is: while the service
   * starts, its proxy says 404 to everything.
   */
  get isFinal() {
    return this.code !== null && this.status < 500 && (this.code === SPENT || !PASSING.has(this.status));
  }
}

/** Whether `error` is final, and not a failure that may pass. */
export function isFinal(error) {
  return error instanceof Problem && error.isFinal;
}

/** Whether the service answers, but has no room now. */
export function isBusy(error) {
  return error instanceof Problem && error.code !== null && !error.isFinal;
}

export const info = () => call("GET", "/v1/info");
export const agents = () => call("GET", "/v1/agents");
export const list = (cursor) => call("GET", `/v1/conversations?${query({ limit: 50, cursor })}`);
export const one = (id) => call("GET", path(id));
export const create = (fields) => call("POST", "/v1/conversations", fields);
export const rename = (id, title) => call("PATCH", path(id), { title });
export const remove = (id) => call("DELETE", path(id));
/** Without a turn: the one that runs. */
export const cancel = (id, turn) => call("POST", path(id, "/cancel"), turn ? { turn } : {});
export const resolve = (id, resolution) => call("POST", path(id, "/resolutions"), resolution);
export const send = (id, message) => call("POST", path(id, "/messages"), message);
export const subAgents = (id) => call("GET", path(id, "/children"));

/** The person's own choice for a tool, `{approval}`: `auto`, `required` or null. */
export const approval = (tool) => call("GET", approvalPath(tool));
export const setApproval = (tool, choice) => call("PUT", approvalPath(tool), { approval: choice });

/** A page of history that ends before `before`, or with the newest event. */
export const historyBefore = (id, before = NEWEST, limit = 80, render = "html") =>
  call("GET", path(id, `/events?${query({ before, limit, render })}`));

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

export const files = (id) => call("GET", path(id, "/files"));

/** Where a file can be downloaded. */
export const fileAddress = (id, file) => path(id, `/files/${file.split("/").map(encodeURIComponent).join("/")}`);

/** A file as `{bytes, version}`. */
export async function readFile(id, file) {
  const response = await request("GET", fileAddress(id, file), { headers: { Accept: "*/*" } });
  return { bytes: new Uint8Array(await response.arrayBuffer()), version: versionIn(response.headers.get("ETag")) };
}

/** A Markdown file as `{html}`, sanitised by the service. */
export const renderedFile = (id, file) => call("GET", `${fileAddress(id, file)}?render=html`);

/** Writes a file over the `version` that is known of it, null: it must not exist yet; answers `{path, version}`. */
export async function writeFile(id, file, text, version) {
  const condition = version === null ? { "If-None-Match": "*" } : { "If-Match": `"${version}"` };
  const headers = { "Content-Type": "application/octet-stream", ...condition };
  return (await request("PUT", fileAddress(id, file), { body: text, headers })).json();
}

export const removeFile = (id, file, version) =>
  request("DELETE", fileAddress(id, file), { headers: { "If-Match": `"${version}"` } });

async function call(method, url, body) {
  const json = body && { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } };
  const response = await request(method, url, json);
  return response.status === 204 ? null : response.json();
}

async function request(method, url, { body, headers } = {}) {
  const response = await fetch(url, {
    method,
    headers: { Accept: "application/json", ...headers },
    body,
    cache: "no-store",
    signal: AbortSignal.timeout(TIMEOUT),
  });
  if (!response.ok) throw await problem(response);
  return response;
}

async function problem(response) {
  // A proxy in between may answer in its own words, so the body is optional.
  const body = await response.json().catch(() => ({}));
  return new Problem(response.status, body, Number(response.headers.get("Retry-After")) || 0);
}

const path = (id, rest = "") => `/v1/conversations/${encodeURIComponent(id)}${rest}`;
const approvalPath = (tool) => `/v1/preferences/approvals/${encodeURIComponent(tool)}`;
const versionIn = (etag) => Number(/"(\d+)"/.exec(etag ?? "")?.[1]) || null;

function query(fields) {
  return new URLSearchParams(Object.entries(fields).filter(([, value]) => value != null));
}

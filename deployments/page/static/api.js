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

  /** Whether the person has to sign in first: then what is on its way waits. */
  get isSignedOut() {
    return this.status === 401 && this.code !== null;
  }

  /**
   * Whether asking again in the same words can only bring the same answer. A proxy's no never is: while the service
   * starts, its proxy says 404 to everything.
   */
  get isFinal() {
    return this.code !== null && !this.isSignedOut && this.status < 500 && (this.code === SPENT || !PASSING.has(this.status));
  }
}

/** Whether `error` is final, and not a failure that may pass. */
export function isFinal(error) {
  return error instanceof Problem && error.isFinal;
}

/** Whether the service answers, but has no room now. */
export function isBusy(error) {
  return error instanceof Problem && error.code !== null && !error.isFinal && !error.isSignedOut;
}

let onSignedOut = () => {};

/** Have `listener` called when the service asks for credentials. */
export function whenSignedOut(listener) {
  onSignedOut = listener;
}

/**
 * Who the person is, as `{principal, user, tenant, roles, scopes, key_id, signed_in}`; without a tenant the service has
 * no accounts.
 */
export const whoami = () => call("GET", "/v1/session");
export const signIn = (key) => call("POST", "/v1/session", { key });
export const signOut = () => call("DELETE", "/v1/session");

/** The API keys that the person may see, `{keys}`: an admin's list has other people's as well. */
export const apiKeys = () => call("GET", "/v1/keys");
/** A new key of the person's own; the answer is the only one that has the text of it, as `key`. */
export const makeApiKey = (fields) => call("POST", "/v1/keys", fields);
export const revokeApiKey = (id) => call("DELETE", `/v1/keys/${encodeURIComponent(id)}`);

export const info = () => call("GET", "/v1/info");
export const agents = () => call("GET", "/v1/agents");
/** A page of the list after `cursor`; `wanted` are the parameters that say which conversations. */
export const list = (wanted, cursor) => call("GET", `/v1/conversations?${query({ limit: 50, cursor, ...wanted })}`);
export const one = (id) => call("GET", path(id));
export const create = (fields) => call("POST", "/v1/conversations", { channel: "web", ...fields });
export const rename = (id, title) => call("PATCH", path(id), { title });
/** What is archived is in no list that does not ask for it. */
export const setArchived = (id, archived) => call("PATCH", path(id), { archived });
export const remove = (id) => call("DELETE", path(id));
/** Without a turn: the one that runs. */
export const dropTurn = (id, turn) => call("POST", path(id, `/turns/${turn}/drop`));
export const restoreTurn = (id, turn) => call("DELETE", path(id, `/turns/${turn}/drop`));
export const cancel = (id, turn) => call("POST", path(id, "/cancel"), turn ? { turn } : {});
export const resolve = (id, resolution) => call("POST", path(id, "/resolutions"), resolution);
export const send = (id, message) => call("POST", path(id, "/messages"), message);
/** A conversation of the person's own that begins as this one, up to the end of the turn that `seq` is in. */
export const fork = (id, seq) => call("POST", path(id, "/fork"), { seq, channel: "web" });
/** Where a conversation can be downloaded, in the format `jsonl` or `markdown`. */
export const exportAddress = (id, format) => path(id, `/export?format=${format}`);
/** With whom a conversation is shared: `{owner, members: [{principal, role}]}`. */
export const members = (id) => call("GET", path(id, "/members"));
export const setMember = (id, principal, role) => call("PUT", memberPath(id, principal), { role });
export const removeMember = (id, principal) => call("DELETE", memberPath(id, principal));
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

/** The live stream of a conversation after seq `lastSeq` for a page that runs `clientTools`, as a response whose body is still arriving. */
export async function watch(id, lastSeq, signal, clientTools = []) {
  const headers = { Accept: "text/event-stream", "Last-Event-ID": String(lastSeq) };
  const wanted = new URLSearchParams([["render", "html"], ...clientTools.map((name) => ["client_tools", name])]);
  const response = await fetch(path(id, `/events?${wanted}`), { headers, signal, cache: "no-store" });
  if (!response.ok) throw await problem(response);
  return response;
}

/** What happens in the person's conversations after event `last` (null: from now on), as `watch`. */
export async function watchFeed(last, signal) {
  const headers = { Accept: "text/event-stream", ...(last !== null && { "Last-Event-ID": last }) };
  const response = await fetch("/v1/feed", { headers, signal, cache: "no-store" });
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

/** Calls the API with `body` as JSON; the answer is parsed, null if there is none. Throws `Problem`, or what `fetch` does. */
export async function call(method, url, body) {
  const json = body && { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } };
  const response = await request(method, url, json);
  return response.status === 204 ? null : response.json();
}

async function request(method, url, { body, headers } = {}) {
  const response = await fetch(url, {
    method,
    // The service takes writes with the cookie only from here: another site's page cannot set this header.
    headers: { Accept: "application/json", "X-Raylogue-Page": "1", ...headers },
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
  const found = new Problem(response.status, body, Number(response.headers.get("Retry-After")) || 0);
  if (found.isSignedOut) onSignedOut();
  return found;
}

const path = (id, rest = "") => `/v1/conversations/${encodeURIComponent(id)}${rest}`;
const approvalPath = (tool) => `/v1/preferences/approvals/${encodeURIComponent(tool)}`;
const memberPath = (id, principal) => path(id, `/members/${principal.split("/").map(encodeURIComponent).join("/")}`);
const versionIn = (etag) => Number(/"(\d+)"/.exec(etag ?? "")?.[1]) || null;

/** Parameters; a list of values is one that is repeated, and one without a value is left out. */
export function query(fields) {
  const pairs = Object.entries(fields).flatMap(([name, value]) => [value ?? []].flat().map((one) => [name, one]));
  return new URLSearchParams(pairs);
}

// The fragment of the address: which view is open, and what is looked for in it, so that a view can be linked and reloaded.

/** `#/work/jobs/7?state=failed` as `{path: ["work", "jobs", "7"], params: {state: "failed"}}`. */
export function readAddress(hash = location.hash) {
  const [path, search = ""] = hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  return { path: path.split("/").filter(Boolean).map(decode), params: Object.fromEntries(new URLSearchParams(search)) };
}

/** The address of a view; parameters without a value are left out. */
export function addressOf(path, params = {}) {
  const given = Object.entries(params).filter(([, value]) => value != null && value !== "");
  const search = given.length > 0 ? `?${new URLSearchParams(given)}` : "";
  return `#/${path.map(encodeURIComponent).join("/")}${search}`;
}

export const conversationAddress = (id) => addressOf(["c", id]);

/** The conversation that the address names, or null. */
export function conversationIn(hash = location.hash) {
  const match = /^#\/c\/(.+)$/.exec(hash);
  return match && decode(match[1]);
}

/** Notes what is looked for in the open view; going back leads to the view before, not through each filter. */
export function replaceParams(params) {
  history.replaceState(history.state, "", addressOf(readAddress().path, params));
}

function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // typed by a person
  }
}

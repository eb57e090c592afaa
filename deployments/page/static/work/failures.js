// The audit of failed attempts, by time, type, stage and conversation.

import { addressOf, conversationAddress } from "../address.js";
import { h } from "../views/element.js";
import * as api from "./api.js";
import { jobAddress } from "./jobs.js";
import { ListView } from "./list_view.js";
import { moment } from "./parts.js";

const HOUR = 3_600_000;
const PERIODS = [
  ["", "Thirty days"],
  [String(HOUR), "The last hour"],
  [String(24 * HOUR), "The last day"],
  [String(7 * 24 * HOUR), "The last seven days"],
];
const STAGES = [
  ["", "All stages"],
  ["type", "type: no code does it"],
  ["payload", "payload: it does not fit"],
  ["run", "run: the job's own error"],
  ["worker", "worker: its process ended"],
];

export function failureList(params, { link }) {
  return new ListView({
    title: "Failed attempts",
    tab: "jobs",
    head: [h("a", { class: "button", href: addressOf(["work", "jobs"]) }, "All jobs")],
    fields: [
      { name: "period", label: "Period", options: PERIODS },
      { name: "stage", label: "Stage", options: STAGES },
      { name: "type", label: "Type" },
      { name: "conversation", label: "Conversation" },
    ],
    params,
    link,
    ask,
    keyOf: ({ job, attempt, at }) => `${job} ${attempt} ${at}`,
    columns: [
      { title: "Job", cell: nameOf },
      { title: "Error", cell: ({ error, payload }) => [h("span", { class: "error-words", dir: "auto" }, error), payloadOf(payload)] },
      { title: "Stage", cell: ({ stage }) => stage, wide: true },
      { title: "When", cell: ({ at }) => moment(at) },
      { title: "Conversation", cell: ({ conversation: id }) => id && h("a", { href: conversationAddress(id) }, id), wide: true },
    ],
    empty: "No attempt has failed in the last thirty days.",
  });
}

/** A page that ends before the time `cursor`. */
async function ask({ period, cursor, limit, ...wanted }) {
  const since = period ? Date.now() - Number(period) : null;
  const { failures } = await api.failures({ ...wanted, since, until: cursor, limit });
  // Several may have failed in the same millisecond: those are asked for once more, and known by their keys.
  return { items: failures, next: failures.length < limit ? null : failures.at(-1).at + 1 };
}

function nameOf({ job, type, attempt }) {
  return [h("a", { href: jobAddress(job) }, type), h("span", { class: "quiet under" }, `attempt ${attempt}`)];
}

function payloadOf(payload) {
  return h("details", { class: "fold" }, h("summary", {}, "Payload"), h("pre", { class: "json", tabindex: "0" }, payload));
}

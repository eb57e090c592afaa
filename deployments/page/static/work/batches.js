// Batches: the list of them, and one with its progress, its results and the rows that failed.

import { addressOf, conversationAddress } from "../address.js";
import { confirm } from "../views/dialog.js";
import { h, icon } from "../views/element.js";
import { costOf, countOf } from "../views/words.js";
import * as api from "./api.js";
import { BatchRows } from "./batch_rows.js";
import { ItemView } from "./item_view.js";
import { ListView } from "./list_view.js";
import { durationOf, facts, mayWrite, moment, progressBar, section, stateMark, whoseField } from "./parts.js";

const STATES = {
  queued: ["waits", "Waiting for a worker"],
  running: ["busy", "Running"],
  waiting: ["waits", "Needs people"],
  paused: ["over", "Paused"],
  done: ["ok", "Done"],
  failed: ["bad", "Failed"],
  cancelled: ["over", "Cancelled"],
};
const REQUESTED = { pause: "is being paused", cancel: "is being cancelled" };
const MOVING = ["queued", "running"];
const OPEN = [...MOVING, "waiting", "paused"];
const CONVERSATIONS = { keep: "stay", archive: "are archived", delete: "are deleted" };
/** How often a batch is looked at, in ms: while it goes on, and while it waits for people. */
const BUSY = 2_000;
const QUIET = 15_000;
const MICRO = 1_000_000;

export const batchAddress = (id) => addressOf(["work", "batches", id]);

export function batchList(params, { who, link }) {
  const whose = whoseField(who);
  const create = h("a", { class: "button primary", href: addressOf(["work", "new-batch"]) }, icon("plus"), "New batch");
  const states = [["", "All states"], ...Object.entries(STATES).map(([state, [, words]]) => [state, words])];
  return new ListView({
    title: "Batches",
    tab: "batches",
    head: mayWrite(who) ? [create] : [],
    fields: [{ name: "state", label: "State", options: states }, whose].filter(Boolean),
    params,
    link,
    ask: async (wanted) => {
      const { batches, next } = await api.batches(wanted);
      return { items: batches, next };
    },
    columns: [
      { title: "Batch", cell: nameOf },
      { title: "State", cell: standingOf },
      { title: "Rows", cell: rowsOf, wide: true },
      { title: "Cost", cell: ({ cost_usd: cost }) => (cost > 0 ? costOf(cost * MICRO) : ""), wide: true },
      { title: "Made", cell: ({ created_at: at }) => moment(at), wide: true },
      whose && { title: "Owner", cell: ({ owner }) => owner, wide: true },
    ].filter(Boolean),
    empty: "No batches yet. A batch gives each row of a file to an agent, in a conversation of its own.",
    isUnderWay: ({ state }) => MOVING.includes(state),
  });
}

export function batchView(id, { who, link }) {
  const rows = new BatchRows(id);
  return new ItemView({
    tab: "batches",
    title: "Batch",
    back: { label: "All batches", href: addressOf(["work", "batches"]) },
    link,
    load: async () => {
      const batch = await api.batch(id);
      await rows.look(batch);
      return batch;
    },
    render: (batch) => ({
      title: titleOf(batch),
      actions: mayWrite(who) ? actionsFor(batch) : [],
      body: [...bodyOf(batch), ...rows.parts()],
    }),
    paceOf: ({ state, requested }) => (MOVING.includes(state) || requested ? BUSY : OPEN.includes(state) ? QUIET : null),
  });
}

const titleOf = ({ definition: { name, agent }, id }) => name || `${agent} ${id.slice(0, 8)}`;
const finishedOf = ({ succeeded, failed }) => succeeded + failed;

function nameOf(batch) {
  const { agent, model, source } = batch.definition;
  const about = [agent, model, source].filter(Boolean).join(" · ");
  return [h("a", { href: batchAddress(batch.id), dir: "auto" }, titleOf(batch)), h("span", { class: "quiet under" }, about)];
}

function standingOf(batch) {
  const { state, requested, total, error, seconds_left: left } = batch;
  const percent = state === "running" && total > 0 && `${Math.floor((100 * finishedOf(batch)) / total)} %`;
  const more = [percent, left != null && `${durationOf(left * 1000)} left`, OPEN.includes(state) && REQUESTED[requested], error];
  const words = more.filter(Boolean).join(" · ");
  return [stateMark(...STATES[state]), words && h("span", { class: "quiet under" }, words)];
}

function rowsOf(batch) {
  const { total, failed } = batch;
  const words = total == null ? "" : `${countOf(finishedOf(batch))} of ${countOf(total)}`;
  return [words, failed > 0 && h("span", { class: "under error-words" }, `${countOf(failed)} failed`)];
}

function actionsFor(batch) {
  const { id, state, requested, failed, total } = batch;
  const unfinished = total == null || finishedOf(batch) < total;
  const cancel = async () => {
    const text = "No more rows begin, and those under way are ended. What is finished is in the results.";
    if (await confirm({ title: `Cancel ${titleOf(batch)}?`, text, action: "Cancel the batch", dismiss: "Keep it" })) await api.cancelBatch(id);
  };
  const remove = async () => {
    const text = "With it go its results. The conversations of its rows stay.";
    if (!(await confirm({ title: `Delete ${titleOf(batch)}?`, text, action: "Delete" }))) return;
    await api.removeBatch(id);
    location.hash = addressOf(["work", "batches"]);
  };
  const retry = { label: failed > 0 ? "Retry failed rows" : "Go on with the rest", act: () => api.retryBatch(id) };
  if (OPEN.includes(state)) {
    const isPausing = state === "paused" || requested === "pause";
    return [
      isPausing ? { label: "Resume", style: "primary", act: () => api.resumeBatch(id) } : { label: "Pause", act: () => api.pauseBatch(id) },
      state === "paused" && failed > 0 && retry,
      requested !== "cancel" && { label: "Cancel the batch", style: "danger", act: cancel },
    ].filter(Boolean);
  }
  return [(failed > 0 || (unfinished && state !== "done")) && retry, { label: "Delete", style: "danger", act: remove }].filter(Boolean);
}

function bodyOf(batch) {
  const { id, definition, state, total, succeeded, failed, error, requested } = batch;
  const mark = h("div", { class: "standing" }, stateMark(...STATES[state]), OPEN.includes(state) && h("span", { class: "quiet" }, REQUESTED[requested] ?? ""));
  return [
    mark,
    total != null && progressBar({ done: finishedOf(batch), total, note: failed > 0 ? `${countOf(failed)} failed` : "" }),
    error && h("p", { class: "view-error" }, error),
    h("div", { class: "figures" }, figuresOf(batch).map(([name, value]) => h("div", {}, h("span", { class: "quiet" }, name), h("strong", {}, value)))),
    !OPEN.includes(state) && finishedOf(batch) > 0 && section("Results", h("div", { class: "actions" }, downloads(id))),
    definition.template && section("Message of each row", h("p", { class: "said", dir: "auto" }, definition.template)),
    facts([
      ["Agent", definition.agent],
      ["Model", definition.model],
      ["Rows", definition.source ?? "an uploaded file"],
      ["Succeeded", countOf(succeeded)],
      ["Failed", countOf(failed)],
      ["At once", String(definition.concurrency)],
      ["Through", definition.provider_batch ? "the provider's own batches" : null],
      ["Also written to", definition.out],
      ["Its conversations", CONVERSATIONS[definition.conversations]],
      ["Made", moment(batch.created_at)],
      ["Began", moment(batch.started_at)],
      ["Ended", moment(batch.finished_at)],
      ["Owner", batch.owner],
      ["Id", h("code", {}, id)],
    ]),
  ];
}

/** How fast, how long, and how much. */
function figuresOf({ rows_per_second: rate, seconds_left: left, seconds, input_tokens: input, output_tokens: output, cost_usd: cost }) {
  return [
    ["Rows a second", rate == null ? null : rate.toFixed(rate < 10 ? 1 : 0)],
    ["Time left", left == null ? null : durationOf(left * 1000)],
    ["Took", seconds == null ? null : durationOf(seconds * 1000)],
    ["Tokens", input + output > 0 ? countOf(input + output) : null],
    ["Cost", cost > 0 ? costOf(cost * MICRO) : null],
  ].filter(([, value]) => value !== null);
}

const downloads = (id) => [
  h("a", { class: "button", href: api.resultsAddress(id, "jsonl"), download: "" }, "Download JSON Lines"),
  h("a", { class: "button", href: api.resultsAddress(id, "parquet"), download: "" }, "Download Parquet"),
];

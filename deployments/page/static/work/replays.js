// Replays: the list of them, and one with its progress, its order, and what came of it.

import { addressOf } from "../address.js";
import { confirm } from "../views/dialog.js";
import { h } from "../views/element.js";
import { costOf, countOf } from "../views/words.js";
import * as api from "./api.js";
import { ItemView } from "./item_view.js";
import { jobAddress } from "./jobs.js";
import { ListView } from "./list_view.js";
import { durationOf, facts, mayWrite, moment, progressBar, section, stateMark, whoseField } from "./parts.js";

const STATES = {
  waiting: ["waits", "Waiting for a worker"],
  running: ["busy", "Running"],
  paused: ["over", "Paused"],
  done: ["ok", "Done"],
  failed: ["bad", "Failed"],
};
const MODES = {
  forced: "round by round, no tool runs",
  recorded: "freely, on recorded tools",
  live: "freely, tools really run",
};
const VERDICTS = { same: "The same", words: "Other words", calls: "Other calls", ending: "Another end" };
const MOVING = ["waiting", "running"];
/** How often a replay that goes on is looked at, in ms. */
const PACE = 2_000;

export const replayAddress = (id) => addressOf(["work", "replays", id]);

export function replayList(params, { who, link }) {
  const whose = whoseField(who);
  return new ListView({
    title: "Replays",
    tab: "replays",
    fields: [whose].filter(Boolean),
    params,
    link,
    ask: async (wanted) => {
      const { replays, next } = await api.replays(wanted);
      return { items: replays, next };
    },
    columns: [
      { title: "Replay", cell: nameOf },
      { title: "State", cell: standingOf },
      { title: "Conversations", cell: ({ done, total }) => `${countOf(done)} of ${countOf(total)}`, wide: true },
      { title: "Ordered", cell: ({ created_at: at }) => moment(at), wide: true },
      whose && { title: "Owner", cell: ({ owner }) => owner, wide: true },
    ].filter(Boolean),
    empty: "No replays yet. “raylogue batch replay” tries another model, prompt or agent on past conversations.",
    isUnderWay: ({ state }) => MOVING.includes(state),
  });
}

export function replayView(id, { who, link }) {
  return new ItemView({
    tab: "replays",
    title: "Replay",
    back: { label: "All replays", href: addressOf(["work", "replays"]) },
    link,
    load: () => api.replay(id),
    render: (replay) => ({
      title: titleOf(replay),
      actions: mayWrite(who) ? actionsFor(replay) : [],
      body: bodyOf(replay),
    }),
    paceOf: ({ state }) => (MOVING.includes(state) ? PACE : null),
  });
}

const titleOf = ({ id }) => `Replay ${id.slice(0, 8)}`;
/** What is tried, in a few words. */
const changeOf = ({ agent, model, system_prompt: prompt, without_tools: tools }) =>
  [agent, model, prompt && "another prompt", tools.length > 0 && `without ${tools.join(", ")}`].filter(Boolean).join(" · ");

function nameOf(replay) {
  const about = [changeOf(replay.order), replay.order.where].filter(Boolean).join(" · ");
  return [h("a", { href: replayAddress(replay.id) }, titleOf(replay)), h("span", { class: "quiet under", dir: "auto" }, about)];
}

function standingOf({ state, error }) {
  return [stateMark(...STATES[state]), error && state === "failed" && h("span", { class: "quiet under" }, error)];
}

function actionsFor(replay) {
  const { id, state } = replay;
  const remove = async () => {
    const text = "It stops, and its results go with it. The conversations that it was drawn from stay.";
    if (!(await confirm({ title: `Delete ${titleOf(replay)}?`, text, action: "Delete" }))) return;
    await api.removeReplay(id);
    location.hash = addressOf(["work", "replays"]);
  };
  return [
    MOVING.includes(state) && { label: "Pause", act: () => api.pauseReplay(id) },
    ["paused", "failed"].includes(state) && { label: "Resume", style: "primary", act: () => api.resumeReplay(id) },
    { label: "Delete", style: "danger", act: remove },
  ].filter(Boolean);
}

function bodyOf({ id, owner, order, state, done, total, error, totals, job, created_at: at }) {
  return [
    h("div", { class: "standing" }, stateMark(...STATES[state])),
    progressBar({ done, total, note: "conversations" }),
    error && state === "failed" && h("p", { class: "view-error" }, error),
    totals && h("div", { class: "figures" }, figuresOf(totals).map(([name, value]) => h("div", {}, h("span", { class: "quiet" }, name), h("strong", {}, value)))),
    totals && section("Recorded and new", sidesOf(totals)),
    done > 0 && section("Results", h("div", { class: "actions" }, results(id))),
    order.system_prompt && section("System prompt", h("p", { class: "said", dir: "auto" }, order.system_prompt)),
    facts([
      ["Conversations", order.where],
      ["Mode", MODES[order.mode]],
      ["Agent", order.agent],
      ["Model", order.model],
      ["Without the tools", order.without_tools.join(", ")],
      ["Judge", order.judge],
      ["At once, on each node", String(order.concurrency)],
      ["Ordered", moment(at)],
      ["Owner", owner],
      ["Job", h("a", { href: jobAddress(job) }, job.slice(0, 8))],
      ["Id", h("code", {}, id)],
    ]),
  ];
}

/** How the answers compare. */
function figuresOf({ rows, errors, verdicts, judged, judge_wins: wins }) {
  return [
    ["Compared", countOf(rows)],
    ...Object.entries(VERDICTS).map(([name, words]) => [words, verdicts[name] > 0 ? countOf(verdicts[name]) : null]),
    ["Could not be replayed", errors > 0 ? countOf(errors) : null],
    ["Judged better", judged > 0 ? `${countOf(wins.new ?? 0)} of ${countOf(judged)}` : null],
  ].filter(([, value]) => value !== null);
}

/** Tokens, cost and time of both sides. */
function sidesOf(totals) {
  const row = (name, of) => h("tr", {}, h("th", { scope: "row" }, name), ["old", "new"].map((side) => h("td", {}, of(side))));
  const head = h("tr", {}, ["", "Recorded", "New"].map((title) => h("th", { scope: "col" }, title)));
  return h(
    "table",
    { class: "table" },
    h("thead", {}, head),
    h("tbody", {}, [
      row("Calls of a model", (side) => countOf(totals[`${side}_model_calls`])),
      row("Tokens", (side) => countOf(totals[`${side}_input_tokens`] + totals[`${side}_output_tokens`])),
      row("Cost", (side) => costOf(totals[`${side}_cost`])),
      row("Time", (side) => durationOf(totals[`${side}_ms`])),
    ]),
  );
}

const results = (id) => [
  h("a", { class: "button", href: api.replaySummaryAddress(id), target: "_blank", rel: "noopener" }, "Summary with plots"),
  h("a", { class: "button", href: api.replayResultsAddress(id), download: "" }, "Download JSON Lines"),
];

// Jobs: the list of them, and one with its progress, its outcome and its failed attempts.

import { addressOf, conversationAddress } from "../address.js";
import { confirm } from "../views/dialog.js";
import { h } from "../views/element.js";
import { instantOf } from "../views/words.js";
import * as api from "./api.js";
import { ItemView } from "./item_view.js";
import { ListView } from "./list_view.js";
import { durationOf, facts, jsonPart, mayWrite, moment, progressBar, section, stateMark, whoseField } from "./parts.js";

const STATES = {
  waiting: ["waits", "Waiting"],
  running: ["busy", "Running"],
  succeeded: ["ok", "Succeeded"],
  failed: ["bad", "Failed"],
  cancelled: ["over", "Cancelled"],
  expired: ["over", "Expired"],
};
const OPEN = ["waiting", "running"];
/** How often an open job is looked at, in ms. */
const PACE = 2_000;
/** As many failures as the service gives at once. */
const MAX_FAILURES = 200;

export const jobAddress = (id) => addressOf(["work", "jobs", id]);

export function jobList(params, { who, link }) {
  const whose = whoseField(who);
  const states = [["", "All states"], ...Object.entries(STATES).map(([state, [, words]]) => [state, words])];
  return new ListView({
    title: "Jobs",
    tab: "jobs",
    head: [h("a", { class: "button", href: addressOf(["work", "failures"]) }, "Failed attempts")],
    fields: [{ name: "state", label: "State", options: states }, { name: "type", label: "Type" }, whose].filter(Boolean),
    params,
    link,
    ask: async (wanted) => {
      const { jobs, next } = await api.jobs(wanted);
      return { items: jobs, next };
    },
    columns: [
      { title: "Job", cell: nameOf },
      { title: "State", cell: standingOf },
      { title: "Attempts", cell: ({ attempts }) => String(attempts), wide: true },
      { title: "Made", cell: ({ created_at: at }) => moment(at), wide: true },
      { title: "Took", cell: (job) => tookOf(job) ?? "", wide: true },
      whose && { title: "Owner", cell: ({ owner }) => owner, wide: true },
    ].filter(Boolean),
    empty: "No jobs yet. What agents, schedules and batches have done in the background is listed here.",
    isUnderWay: ({ state }) => OPEN.includes(state),
  });
}

export function jobView(id, { who, link }) {
  const failed = new FailedAttempts(id);
  return new ItemView({
    tab: "jobs",
    title: "Job",
    back: { label: "All jobs", href: addressOf(["work", "jobs"]) },
    link,
    load: async () => {
      const job = await api.job(id);
      await failed.look(job);
      return job;
    },
    render: (job) => ({
      title: job.name || job.type,
      actions: mayWrite(who) ? actionsFor(job) : [],
      body: [...bodyOf(job), failed.part()],
    }),
    paceOf: ({ state }) => (OPEN.includes(state) ? PACE : null),
  });
}

function actionsFor({ id, state, type }) {
  const cancel = async () => {
    const text = state === "running" ? "The worker that does it stops. What it has done stays done." : "It will not begin.";
    if (await confirm({ title: `Cancel ${type}?`, text, action: "Cancel the job", dismiss: "Keep it" })) await api.cancelJob(id);
  };
  const retry = async () => (location.hash = jobAddress((await api.retryJob(id)).id));
  if (OPEN.includes(state)) return [{ label: "Cancel the job", style: "danger", act: cancel }];
  return [{ label: state === "succeeded" ? "Do it again" : "Retry", act: retry }];
}

function bodyOf(job) {
  return [
    h("div", { class: "standing" }, standingOf({ ...job, progress: null, error: null })),
    job.progress && progressBar(job.progress),
    job.error && h("p", { class: "view-error" }, job.error),
    facts([
      ["Type", job.type],
      ["Name", job.name],
      ["Attempts", String(job.attempts)],
      ["Made", moment(job.created_at)],
      ["Due", job.state === "waiting" ? moment(job.due_at) : null],
      ["Ends unless begun", job.state === "waiting" ? moment(job.expires_at) : null],
      ["Began", moment(job.started_at)],
      ["Ended", moment(job.finished_at)],
      ["Took", tookOf(job)],
      ["Priority", job.priority],
      ["Owner", job.owner],
      ["Conversation", job.conversation && h("a", { href: conversationAddress(job.conversation) }, job.conversation)],
      ["Id", h("code", {}, job.id)],
    ]),
    job.result != null && jsonPart("Result", job.result, true),
    jsonPart("Payload", job.payload),
  ];
}

function nameOf({ id, type, name, conversation }) {
  const about = [name && type, conversation && `about ${conversation}`].filter(Boolean).join(" · ");
  return [h("a", { href: jobAddress(id), dir: "auto" }, name || type), about && h("span", { class: "quiet under" }, about)];
}

function standingOf({ state, progress, attempts, due_at: due, error }) {
  const mark = stateMark(...STATES[state]);
  const more =
    state === "running" && progress?.total > 0
      ? `${Math.floor((100 * progress.done) / progress.total)} %`
      : state === "waiting" && attempts > 0
        ? ["next attempt ", moment(due)]
        : state === "waiting" && due > Date.now()
          ? ["due ", moment(due)]
          : state === "failed" && error;
  return more ? [mark, h("span", { class: "quiet under" }, more)] : [mark];
}

/** How long the last attempt took. */
const tookOf = ({ started_at: from, finished_at: to }) => (from && to ? durationOf(to - from) : null);

/** The failed attempts of one job, fetched again when there may be more. */
class FailedAttempts {
  #id;
  #known = [];
  #at = null;

  constructor(id) {
    this.#id = id;
  }

  async look({ type, state, attempts, created_at: since }) {
    const at = `${state} ${attempts}`;
    if (at === this.#at || attempts === 0) return;
    const { failures } = await api.failures({ type, since, limit: MAX_FAILURES });
    this.#known = failures.filter(({ job }) => job === this.#id);
    this.#at = at;
  }

  part() {
    if (this.#known.length === 0) return null;
    const rows = this.#known.map(({ attempt, at, stage, error }) =>
      h("li", {}, h("strong", {}, `Attempt ${attempt}`), ` · ${stage} · `, h("time", {}, instantOf(at)), h("p", {}, error)),
    );
    return section("Failed attempts", h("ul", { class: "attempts" }, rows));
  }
}

// Schedules: the list of them, and one with its next times and the history of its runs.

import { addressOf, conversationAddress } from "../address.js";
import { newId } from "../outbox.js";
import { confirm, toast } from "../views/dialog.js";
import { h, icon } from "../views/element.js";
import { costOf, countOf } from "../views/words.js";
import * as api from "./api.js";
import { ItemView } from "./item_view.js";
import { jobAddress } from "./jobs.js";
import { ListView } from "./list_view.js";
import { Listing } from "./listing.js";
import { durationOf, facts, jsonPart, mayWrite, moment, section, whoseField } from "./parts.js";
import { dueTime, MISSED, OPEN_RUNS, OVERLAP, runMark, standingOf, subjectOf, timingOf } from "./schedule_words.js";
import { Table } from "./table.js";

/** How often a schedule is looked at, in ms: while a run is under way, and else; the feed tells of most that happens. */
const BUSY = 3_000;
const QUIET = 30_000;

export const scheduleAddress = (id, ...rest) => addressOf(["work", "schedules", id, ...rest]);

export function scheduleList(params, { who, link }) {
  const whose = whoseField(who);
  const create = h("a", { class: "button primary", href: addressOf(["work", "new-schedule"]) }, icon("plus"), "New schedule");
  return new ListView({
    title: "Schedules",
    tab: "schedules",
    head: mayWrite(who) ? [create] : [],
    fields: [whose].filter(Boolean),
    params,
    link,
    ask: async (wanted) => {
      const { schedules, next } = await api.schedules(wanted);
      return { items: schedules, next };
    },
    columns: [
      { title: "Schedule", cell: nameOf },
      { title: "State", cell: (schedule) => standingOf(schedule) },
      { title: "Next", cell: ({ next: [at] }) => moment(at) },
      { title: "Last run", cell: ({ last: run }) => run && lastOf(run), wide: true },
      whose && { title: "Owner", cell: ({ owner }) => owner, wide: true },
    ].filter(Boolean),
    empty: "No schedules yet. A schedule lets an agent work at set times, without a person.",
    isAbout: ({ schedule_id: id }) => id !== undefined,
  });
}

function nameOf({ id, name, ...schedule }) {
  const about = `${subjectOf(schedule)} · ${timingOf(schedule)}`;
  return [h("a", { href: scheduleAddress(id), dir: "auto" }, name), h("span", { class: "quiet under" }, about)];
}

const lastOf = (run) => [runMark(run), h("span", { class: "quiet under" }, moment(run.finished_at))];

export function scheduleView(id, { who, link }) {
  const history = new History(id, mayWrite(who));
  return new ItemView({
    tab: "schedules",
    title: "Schedule",
    back: { label: "All schedules", href: addressOf(["work", "schedules"]) },
    link,
    load: async () => {
      const [schedule] = await Promise.all([api.schedule(id), history.look()]);
      return schedule;
    },
    render: (schedule) => ({
      title: schedule.name,
      actions: mayWrite(who) ? actionsFor(schedule) : [],
      body: [...headOf(schedule), history.render(schedule), ...definitionOf(schedule)],
    }),
    paceOf: ({ runs }) => (runs.length > 0 ? BUSY : QUIET),
    isAbout: ({ schedule_id: about }) => about === id,
  });
}

function actionsFor({ id, name, state }) {
  const remove = async () => {
    const text = "With it goes the history of its runs. Their conversations stay.";
    if (!(await confirm({ title: `Delete ${name}?`, text, action: "Delete" }))) return;
    await api.removeSchedule(id);
    location.hash = addressOf(["work", "schedules"]);
  };
  return [
    { label: "Run now", style: "primary", act: () => api.runSchedule(id, newId()) },
    state === "paused" ? { label: "Resume", act: () => api.resumeSchedule(id) } : { label: "Pause", act: () => api.pauseSchedule(id) },
    { label: "Edit", href: scheduleAddress(id, "edit") },
    { label: "Delete", style: "danger", act: remove },
  ];
}

function headOf(schedule) {
  const { zone, next } = schedule;
  return [
    h("div", { class: "standing" }, standingOf(schedule), h("span", {}, timingOf(schedule))),
    next.length > 0 && section("Next times", h("ol", { class: "times" }, next.map((at) => h("li", {}, dueTime(at, zone))))),
  ];
}

function definitionOf(schedule) {
  const { cron, zone, prompt, conversation } = schedule;
  return [
    prompt && section("Prompt", h("p", { class: "said", dir: "auto" }, prompt)),
    facts([
      ["Runs", conversation ? h("a", { href: conversationAddress(conversation) }, `conversation ${conversation}`) : subjectOf(schedule)],
      ["Model", schedule.model],
      ["No news is", schedule.quiet],
      ["If the run before is not over", OVERLAP[schedule.overlap]],
      ["What was missed", MISSED[schedule.missed]],
      ["Not before", schedule.start && dueTime(schedule.start, zone)],
      ["Not after", schedule.end && dueTime(schedule.end, zone)],
      ["Spread over", schedule.jitter > 0 ? durationOf(schedule.jitter * 1000) : null],
      ["Failed in a row", schedule.failures > 0 ? `${schedule.failures} of ${schedule.max_failures || "any number"}` : null],
      ["Time zone", cron ? zone : null],
      ["Owner", schedule.owner],
      ["Id", h("code", {}, schedule.id)],
    ]),
    schedule.payload && jsonPart("Payload", schedule.payload),
  ];
}

/** The runs of a schedule: those under way, and the ended ones, of which earlier pages come on demand. */
class History {
  #id;
  #schedule = null;
  #mayCancel;
  #table = new Table({
    caption: "Runs",
    columns: [
      { title: "Due", cell: (run) => this.#dueOf(run) },
      { title: "Outcome", cell: (run) => this.#outcomeOf(run) },
      { title: "Took", cell: ({ started_at: from, finished_at: to }) => (from && to ? durationOf(to - from) : ""), wide: true },
      { title: "Tokens", cell: ({ usage }) => tokensOf(usage), wide: true },
      { title: "Cost", cell: ({ cost }) => (cost == null ? "" : costOf(cost)), wide: true },
    ],
  });
  #listing = new Listing(
    async (page) => {
      const { runs, next } = await api.scheduleRuns(this.#id, page);
      return { items: runs, next };
    },
    { page: 10 },
  );
  #more = h("button", { type: "button", class: "link view-more", onclick: () => this.#showMore() }, "Show earlier ones");
  #none = h("p", { class: "quiet" }, "It has not run yet.");
  #node = section("Runs", this.#table.node, this.#none, this.#more);

  constructor(id, mayCancel) {
    this.#id = id;
    this.#mayCancel = mayCancel;
  }

  look() {
    return this.#listing.refresh();
  }

  /** The node, as of this state of the schedule. */
  render(schedule) {
    this.#schedule = schedule;
    const runs = this.#listing.items;
    this.#table.render(runs);
    this.#table.node.hidden = runs.length === 0;
    this.#none.hidden = runs.length > 0;
    this.#more.hidden = !this.#listing.hasMore;
    return this.#node;
  }

  async #showMore() {
    try {
      await this.#listing.more();
      this.render(this.#schedule);
    } catch (error) {
      toast(error.message);
    }
  }

  #dueOf({ due_at: at, cause, conversation, job, skipped }) {
    const words = dueTime(at, this.#schedule.zone);
    const href = conversation ? conversationAddress(conversation) : job ? jobAddress(job) : null;
    const about = [cause === "person" && "asked for", skipped > 0 && `${skipped} left out before it`].filter(Boolean).join(" · ");
    return [href ? h("a", { href }, words) : words, about && h("span", { class: "quiet under" }, about)];
  }

  #outcomeOf(run) {
    const { id, state, error, result } = run;
    const said = error ?? result;
    const mayCancel = this.#mayCancel && OPEN_RUNS.includes(state);
    const cancel = { type: "button", class: "link", "aria-label": "Cancel this run", onclick: () => this.#cancel(id) };
    return [
      runMark(run),
      mayCancel && h("button", cancel, "Cancel"),
      said && h("span", { class: error ? "under error-words" : "quiet under", dir: "auto" }, said),
    ];
  }

  async #cancel(runId) {
    try {
      await api.cancelScheduleRun(this.#id, runId);
    } catch (error) {
      toast(error.message);
    }
  }
}

function tokensOf(usage) {
  const total = Object.values(usage ?? {}).reduce((sum, count) => sum + count, 0);
  return total > 0 ? countOf(total) : "";
}

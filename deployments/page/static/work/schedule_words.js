// The words for when a schedule is due, by which rules, and how its runs went.

import { stateMark } from "./parts.js";

const UNITS = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
  ["second", 1],
];

export const OVERLAP = {
  skip: "Leave the new one out",
  queue: "Run the new one after it",
  allow: "Run both",
  cancel: "End the older one",
};

export const MISSED = {
  once: "Run once for all of them",
  skip: "Leave them out",
  all: "Run each, a hundred at most",
};

const RUN_STATES = {
  starting: ["busy", "Starting"],
  running: ["busy", "Running"],
  awaiting_input: ["waits", "Needs a person"],
  succeeded: ["ok", "Succeeded"],
  failed: ["bad", "Failed"],
  cancelled: ["over", "Cancelled"],
};

export const OPEN_RUNS = ["starting", "running", "awaiting_input"];

/** An interval of `seconds` in the largest unit that it is a multiple of, as `[number, unit's seconds]`. */
export function unitsOf(seconds) {
  const [, unit] = UNITS.find(([, size]) => seconds % size === 0);
  return [seconds / unit, unit];
}

/** The units of an interval, as options: `[seconds, words]`. */
export const INTERVAL_UNITS = UNITS.map(([name, size]) => [String(size), `${name}s`]).toReversed();

/** When a schedule is due, in words for its row. */
export function timingOf({ cron, every, zone }) {
  if (cron) return `${cron} · ${zone}`;
  const [number, unit] = unitsOf(every);
  const name = UNITS.find(([, size]) => size === unit)[0];
  return number === 1 ? `every ${name}` : `every ${number} ${name}s`;
}

/** What a schedule runs. */
export const subjectOf = ({ agent, job, conversation }) =>
  job ? `job ${job}` : conversation ? `conversation ${conversation}` : (agent ?? "the default agent");

/** Whether it is active, and why not. */
export function standingOf({ state, paused_by: by, runs }) {
  if (runs.some((run) => run.state === "awaiting_input")) return stateMark(...RUN_STATES.awaiting_input);
  if (state === "paused") return by === "failures" ? stateMark("bad", "Paused after failures") : stateMark("over", "Paused");
  if (runs.length > 0) return stateMark("busy", "Running");
  return state === "over" ? stateMark("over", "Over") : stateMark("ok", "Active");
}

export const runMark = ({ state, quiet }) => stateMark(...(quiet ? ["ok", "Nothing new"] : RUN_STATES[state]));

/** A due time on the clock of `zone`. */
export function dueTime(at, zone) {
  const format = { weekday: "short", year: "numeric", month: "short", day: "numeric", hour: "numeric", minute: "2-digit", timeZoneName: "short" };
  try {
    return new Intl.DateTimeFormat(undefined, { ...format, timeZone: zone }).format(at);
  } catch {
    return new Intl.DateTimeFormat(undefined, format).format(at); // a zone that this browser does not know
  }
}

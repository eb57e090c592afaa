// What is on the screen, top to bottom: the log's rows, the message now streaming, and what waits to be sent.

import { inOrder, messageKey } from "./log_rows.js";
import { isBusy, reasonLeftOut } from "./state.js";

const orders = new WeakMap();
const merged = new WeakMap();

/**
 * The rows of `state` and of `outbox` (the entries of this conversation). Unchanged rows are the same objects.
 * `known(row)` is what is known of a row from other sources than the log: of a call
 * `{tool, subAgent, waitsFor}`, of a message `{mayWrite, mayBranch}`.
 */
export function screenRows(state, outbox, known = () => ({})) {
  const ordered = orderOf(state.rows).map((row) => withExtras(row, state, known));
  const present = ordered.filter((row) => row.delivery !== "queued");
  const queued = ordered.filter((row) => row.delivery === "queued");
  return [...present, ...liveRows(state), ...queued, ...outboxRows(state, outbox)];
}

function withExtras(row, state, known) {
  if (row.kind === "user") {
    const isOver = row.turn < state.turn || state.machine === "idle";
    return merge(row, { delivery: deliveryOf(row, state), leftOut: reasonLeftOut(state, row.turn), isOver, ...known(row) });
  }
  if (row.kind === "assistant") return merge(row, { isOver: row.turn < state.turn || state.machine === "idle", ...known(row) });
  return row.kind === "tool" || row.kind === "question" ? merge(row, known(row)) : row;
}

/** Why the model has not read a message of the log yet; undefined if it has. */
function deliveryOf(row, state) {
  if (row.turn > state.turn) return "queued";
  // A turn begins with its first messages; a later one was put in for the model call `step`.
  const isSteering = row.turn === state.turn && row.step > 1;
  const isCalling = state.machine === "preparing" || state.machine === "streaming";
  const isUnread = state.machine !== "idle" && row.step > state.step + (isCalling ? 1 : 0);
  return isSteering && isUnread ? "steered" : undefined;
}

function liveRows(state) {
  const { live } = state;
  if (live && (live.text.value || live.thinking.value)) {
    const [text, thinking] = [live.text.value, live.thinking.value];
    return [{ key: messageKey(live.messageId), kind: "assistant", text, thinking, html: null, status: "streaming" }];
  }
  const isSeen = [...state.rows.values()].some((row) => row.kind === "tool" && row.status === "running");
  if (!isBusy(state) || isSeen) return [];
  return [state.starting === null ? WORKING[state.machine] : startingRow(state.starting)];
}

const startingRow = (place) =>
  working(place === 0 ? "Starting" : `Waiting for a process, number ${place} in the line`);

const working = (label) => Object.freeze({ key: "working", kind: "working", label });
const WORKING = {
  preparing: working("Thinking"),
  streaming: working("Thinking"),
  executing_tools: working("Working"),
  terminating: working("Stopping"),
};

function orderOf(rows) {
  if (!orders.has(rows)) orders.set(rows, inOrder(rows));
  return orders.get(rows);
}

/** `row` with `fields`: the row itself when none is set, and the same object for the same fields. */
function merge(row, fields) {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
  if (entries.length === 0) return row;
  const last = merged.get(row);
  if (last && Object.keys(fields).every((name) => last[name] === fields[name])) return last;
  const made = { ...row, ...Object.fromEntries(entries) };
  merged.set(row, made);
  return made;
}

function outboxRows(state, outbox) {
  return outbox.filter((entry) => !state.clientIds.has(entry.clientId)).map((entry) => entry.row);
}

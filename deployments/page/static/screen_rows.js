// What stands on the screen, top to bottom: the log's rows, the message now streaming, and what waits to be sent.

import { inOrder, messageKey } from "./log_rows.js";
import { isBusy } from "./state.js";

const orders = new WeakMap();
const queuedTwins = new WeakMap();

/** The rows of `state` and of `outbox` (the entries of this conversation). Unchanged rows are the same objects. */
export function screenRows(state, outbox) {
  const waits = (row) => row.kind === "user" && row.turn > state.turn;
  const ordered = orderOf(state.rows);
  const present = ordered.filter((row) => !waits(row));
  const queued = ordered.filter(waits).map(queuedTwin);
  return [...present, ...liveRows(state), ...queued, ...outboxRows(state, outbox)];
}

function liveRows(state) {
  const { live } = state;
  if (live && (live.text.value || live.thinking.value)) {
    const [text, thinking] = [live.text.value, live.thinking.value];
    return [{ key: messageKey(live.messageId), kind: "assistant", text, thinking, html: null, status: "streaming" }];
  }
  const isSeen = [...state.rows.values()].some((row) => row.kind === "tool" && row.status === "running");
  return isBusy(state) && !isSeen ? [WORKING[state.machine]] : [];
}

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

function queuedTwin(row) {
  if (!queuedTwins.has(row)) queuedTwins.set(row, { ...row, delivery: "queued" });
  return queuedTwins.get(row);
}

function outboxRows(state, outbox) {
  return outbox.filter((entry) => !state.clientIds.has(entry.clientId)).map((entry) => entry.row);
}

// The figures of a cluster in words, with their units.

import { durationOf } from "../work/parts.js";

const MICRO = 1_000_000;
const few = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 3 });
const many = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });
const share = new Intl.NumberFormat(undefined, { style: "percent", maximumFractionDigits: 0 });
/** Two significant digits, however small the sum. */
const price = new Intl.NumberFormat(undefined, { style: "currency", currency: "USD", maximumSignificantDigits: 2 });

export const count = (value) => (value < 1000 ? few.format(value) : many.format(value));
export const counted = (value, one, more) => `${value} ${value === 1 ? one : more}`;
export const perSecond = (value) => `${count(value)}/s`;
export const percent = (part) => share.format(part);
/** `value` is in millionths of a dollar. */
export const dollars = (value) => price.format(value / MICRO);
export const duration = (ms) => (ms === 0 ? "0" : durationOf(ms));

const UNITS = ["B", "KB", "MB", "GB", "TB"];

export function bytes(value) {
  const power = value < 1 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log2(value) / 10));
  return `${few.format(value / 1024 ** power)} ${UNITS[power]}`;
}

const STATES = {
  idle: "at rest",
  awaiting_input: "waiting for people",
  preparing: "preparing",
  streaming: "streaming",
  executing_tools: "running tools",
  terminating: "leaving",
};

/** What a conversation does, by the state of its incarnation. */
export const stateWords = (state) => STATES[state] ?? state;

/** The tone of a state, as `stateMark` takes it. */
export const toneOf = (state) => (state === "idle" ? "over" : state === "awaiting_input" ? "waits" : "busy");

/** The first characters of a node's id, by which people tell nodes apart. */
export const shortId = (id) => id.slice(0, 12);

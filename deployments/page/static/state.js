// The state of one open conversation, as a pure reducer: snapshot, then tail, everything keyed.

import { applyEvent, CANONICAL, messageKey, toolKey } from "./log_rows.js";

/** States of the machine in which a model or a tool works. */
const BUSY = new Set(["preparing", "streaming", "executing_tools", "terminating"]);
/** Events that may carry the number of a turn that does not run: it comes next, or has ended. */
const OF_NO_TURN = new Set(["user_msg", "state_patch", "summary", "delivered"]);
/** The middleware that keeps the plan. */
const PLANNER = "TodoList";
/** The source of the patches that say which turns the model is not shown. */
const CONTEXT = "context";

export const initial = Object.freeze({
  /** Canonical events, from `firstSeq` to `lastSeq` without a gap. */
  events: [],
  firstSeq: 1,
  lastSeq: 0,
  rows: new Map(),
  clientIds: new Set(),
  machine: "idle",
  /** The place of the conversation in the line of starts, 0 while its process is made; null: it does not wait for one. */
  starting: null,
  turn: 0,
  /** How many answers of the model the running turn has. */
  step: 0,
  /** The agent's plan, `{seq, todos}`, from the newest patch of the middleware that keeps it. */
  plan: null,
  /** What the model is not shown, `{seq, turns, dropped, pictures, firstTurn}`, from the newest patch that says it. */
  leftOut: null,
  /** The message now streaming: `{messageId, turn, text: {value, next}, thinking: {value, next}}`. */
  live: null,
  /** The log moved on and its events did not arrive: the caller fetches them. */
  hasGap: false,
  /** Pieces of the streaming text are missing: the caller asks for a new snapshot. */
  hasHole: false,
});

export const isBusy = (state) => BUSY.has(state.machine);
export const hasOlder = (state) => state.firstSeq > 1;

/** The turn that runs as far as the log is known; undefined if what is loaded does not tell. */
export function turnToCancel(state) {
  const last = state.events.findLast((event) => !OF_NO_TURN.has(event.type));
  if (!last) return hasOlder(state) ? undefined : 1;
  return last.type === "turn_ended" ? last.turn + 1 : last.turn;
}

/** The state after one event of the stream, canonical or live; a repeat changes nothing. */
export function receive(state, event) {
  if (CANONICAL.has(event.type)) return canonical(state, event);
  return LIVE[event.type]?.(state, event) ?? state;
}

/** The state with a page of history (ascending, without gaps) in front of, or behind, what it holds. */
export function addPage(state, events) {
  const isOlder = events.length > 0 && (state.lastSeq === 0 || events[0].seq < state.firstSeq);
  const settled = { ...state, hasGap: false };
  return isOlder ? prepend(settled, events) : events.reduce(canonical, settled);
}

function prepend(state, older) {
  const empty = { ...initial, firstSeq: older[0].seq, lastSeq: older[0].seq - 1 };
  const folded = [...older, ...state.events].reduce(canonical, empty);
  const { events, rows, clientIds, firstSeq, lastSeq, leftOut } = folded;
  // The state of the machine is newer than what a page of the log says, unless this is the first page.
  const present = state.lastSeq === 0 ? folded : state;
  return { ...present, plan: state.plan ?? folded.plan, leftOut, events, rows, clientIds, firstSeq, lastSeq };
}

function canonical(state, event) {
  if (event.seq <= state.lastSeq) return state;
  if (event.seq > state.lastSeq + 1) return { ...state, hasGap: true };
  const rows = applyEvent(state.rows, event);
  const next = { ...state, lastSeq: event.seq, events: [...state.events, event], rows };
  return { ...next, ...CONSEQUENCES[event.type]?.(next, event) };
}

/** The state of the machine after an event of the log; live events say it too, but may be lost. */
const CONSEQUENCES = {
  user_msg: (state, event) => ({
    clientIds: event.client_id ? new Set(state.clientIds).add(event.client_id) : state.clientIds,
    ...(state.machine === "idle" && { machine: "preparing", turn: Math.max(state.turn, event.turn), step: 0 }),
  }),
  assistant_msg: (state, event) => ({
    turn: Math.max(state.turn, event.turn),
    step: event.turn < state.turn ? state.step : (event.step ?? 1),
    live: state.live?.messageId === event.message_id ? null : state.live,
  }),
  tool_call: phase,
  tool_result: phase,
  suspension: phase,
  resolution: phase,
  turn_ended: (state, event) => {
    if (event.turn < state.turn) return {};
    const isQueued = [...state.rows.values()].some((row) => row.kind === "user" && row.turn > event.turn);
    const rest = isQueued ? { machine: "preparing", turn: event.turn + 1 } : { machine: "idle" };
    return { live: null, hasHole: false, step: 0, starting: null, ...rest };
  },
  state_patch: (state, event) => ({ ...planOf(state, event), ...leftOutOf(state, event) }),
  summary: (state, event) => planOf(state, patchOf(event)),
};

/** What is left out after a patch, which has all of it if it is about that; a key that it lacks stays. */
function leftOutOf({ leftOut }, { seq, source, patch }) {
  if (source !== CONTEXT || leftOut?.seq > seq) return { leftOut };
  const dropped = "dropped" in patch ? (patch.dropped ?? []) : (leftOut?.dropped ?? []);
  return { leftOut: { seq, turns: patch.turns, dropped, pictures: patch.pictures, firstTurn: patch.first_turn } };
}

/** Why the model is not shown a turn, or not all of it; undefined if it is shown all. */
export function reasonLeftOut({ leftOut }, turn) {
  if (!leftOut) return undefined;
  if (leftOut.turns.includes(turn)) return leftOut.dropped.includes(turn) ? "dropped" : "refused";
  if (turn < leftOut.firstTurn) return "old";
  return leftOut.pictures.includes(turn) ? "pictures" : undefined;
}

/** The plan at the time of a summary, which keeps it. */
export const patchOf = ({ seq, base }) => ({ seq, source: PLANNER, patch: base?.state?.[PLANNER] ?? {} });

/** The plan after a patch, which has all of it if it is about the plan. */
export function planOf({ plan }, { seq, source, patch }) {
  if (source !== PLANNER || !("todos" in patch) || (plan && plan.seq > seq)) return { plan };
  return { plan: { seq, todos: patch.todos ?? [] } };
}

/** The state of the machine after what the calls of the running turn have come to. */
function phase(state, event) {
  if (event.turn < state.turn) return {};
  const open = new Set([...state.rows.values()].filter((row) => row.turn === event.turn).map((row) => row.status));
  if (open.has("running")) return { machine: "executing_tools" };
  return { machine: open.has("waiting") ? "awaiting_input" : "preparing" };
}

const LIVE = {
  snapshot: (state, event) => ({
    ...state,
    ...position(state, event),
    // The next pieces begin at index 0. Until then the old text stays, unless it is certainly out of date.
    live: event.state === "streaming" && state.live?.turn === event.turn ? state.live : null,
    hasHole: false,
  }),
  state_changed: (state, event) => ({
    ...state,
    ...position(state, event),
    hasGap: state.hasGap || event.last_seq > state.lastSeq,
  }),
  turn_started: (state, event) => (event.turn > state.turn ? { ...state, turn: event.turn, step: 0 } : state),
  starting: (state, event) =>
    event.turn < state.turn || state.machine === "idle" ? state : { ...state, starting: event.place },
  text_delta: (state, event) => delta(state, event, "text"),
  thinking_delta: (state, event) => delta(state, event, "thinking"),
  tool_progress: (state, event) => {
    const row = state.rows.get(toolKey(event.tool_call_id));
    if (row?.status !== "running") return state;
    return { ...state, rows: new Map(state.rows).set(row.key, { ...row, progress: event.progress }) };
  },
  todos_updated: (state, event) => ({ ...state, plan: { seq: state.plan?.seq ?? 0, todos: event.todos } }),
};

/** The snapshot of a conversation that runs nowhere does not know the turn; turn numbers only rise. */
const position = (state, event) => ({
  machine: event.state,
  starting: null,
  turn: Math.max(state.turn, event.turn),
  step: event.turn > state.turn ? 0 : state.step,
});

/** Index 0 replaces the text, the expected index appends, a smaller one is dropped, a larger one leaves a hole. */
function delta(state, event, part) {
  if (event.turn < state.turn || state.rows.has(messageKey(event.message_id))) return state;
  const live = state.live?.messageId === event.message_id ? state.live : begun(event);
  const { value, next } = live[part];
  if (event.index > next) return { ...state, hasHole: true };
  if (event.index > 0 && event.index < next) return state;
  const text = event.index === 0 ? event.text : value + event.text;
  return { ...state, live: { ...live, [part]: { value: text, next: event.next } } };
}

function begun(event) {
  const empty = { value: "", next: 0 };
  return { messageId: event.message_id, turn: event.turn, text: empty, thinking: empty };
}

// The log as rows: a pure fold of canonical events, in which every row has a key that never changes.

import { documentsIn, picturesIn, researchIn, resultText, wordsOf } from "./content.js";

export const CANONICAL = new Set([
  "user_msg", "assistant_msg", "tool_call", "tool_result", "suspension", "resolution", "turn_ended", "state_patch", "summary",
  "delivered",
]);

export const messageKey = (id) => `message:${id}`;
export const toolKey = (id) => `tool:${id}`;

/** `rows` (a Map by key) after `event`; the Map that was passed in is left as it was. */
export function applyEvent(rows, event) {
  const row = FOLDS[event.type](rows, event);
  return row ? new Map(rows).set(row.key, row) : rows;
}

/** The rows in the order of reading: a message that was queued during a turn comes after that turn. */
export function inOrder(rows) {
  return [...rows.values()].sort((a, b) => a.turn - b.turn || a.seq - b.seq);
}

/** What a person's message shows of its content. */
export const messageFields = (content) => ({
  text: wordsOf(content, "text"),
  pictures: picturesIn(content),
  documents: documentsIn(content),
});

const FOLDS = {
  user_msg: (_, event) => ({
    ...place(event, event.client_id ? `user:${event.client_id}` : `user:${event.seq}`),
    // What the agent itself adds to a turn, such as feedback on an answer, is not a person's message.
    kind: event.origin === "agent" && event.step > 1 ? "remark" : "user",
    by: event.origin ?? "user",
    step: event.step ?? 1,
    ...messageFields(event.content),
  }),

  assistant_msg: (_, event) => {
    const row = {
      ...place(event, messageKey(event.message_id)),
      kind: "assistant",
      text: wordsOf(event.content, "text"),
      thinking: wordsOf(event.content, "thinking"),
      research: researchIn(event.content),
      output: event.output ?? null,
      html: event.html ?? null,
      status: event.status,
      stopReason: event.stop_reason,
      model: event.model,
      tokens: event.usage?.output_tokens ?? null,
    };
    // A message with tool calls only has no row: the cards of the calls follow.
    return row.text || row.thinking || row.research.calls.length || row.status !== "completed" ? row : null;
  },

  tool_call: (_, event) => ({
    ...place(event, toolKey(event.tool_call_id)),
    // A question of a middleware is not a tool call of the model.
    kind: event.source ? "question" : "tool",
    source: event.source ?? null,
    toolCallId: event.tool_call_id,
    name: event.name,
    executor: event.executor,
    arguments: event.arguments,
    status: "running",
    suspension: null,
    asked: null,
    resolution: null,
    progress: null,
    result: null,
    pictures: [],
    documents: [],
  }),

  tool_result: (rows, event) =>
    changed(rows, event, () => ({
      status: event.status,
      result: resultText(event.content),
      pictures: picturesIn(event.content),
      documents: documentsIn(event.content),
      suspension: null,
      progress: null,
    })),

  suspension: (rows, event) => {
    const suspension = {
      kind: event.kind,
      prompt: event.prompt,
      expiresAt: event.expires_at,
      decisions: event.decisions ?? [],
      argumentsHash: event.arguments_hash ?? null,
      form: event.form ?? null,
      resumes: event.resumes ?? false,
      approvers: event.approvers ?? [],
      askedBy: event.asked_by ?? [],
    };
    return changed(rows, event, () => ({ status: "waiting", suspension, asked: suspension, progress: null }));
  },

  resolution: (rows, event) =>
    changed(rows, event, (row) => ({
      status: "running",
      suspension: null,
      resolution: { decision: event.decision, reason: event.reason, answer: event.answer, by: event.principal },
      // The decision may be about what a running tool asked, such as a sub-agent's call, and not about this call.
      arguments: row.asked?.resumes ? row.arguments : (event.arguments ?? row.arguments),
    })),

  turn_ended: (_, event) =>
    event.outcome === "completed"
      ? null
      : {
          ...place(event, `end:${event.seq}`),
          kind: "notice",
          outcome: event.outcome,
          reason: event.reason,
          detail: event.detail,
        },

  state_patch: () => null,

  // People have got in their channel what the answers of the turn say, or a part of it; the page shows the answers.
  delivered: () => null,

  // It comes after the last turn that it covers, which may be long before its place in the log.
  summary: (_, event) => ({
    ...place(event, `summary:${event.seq}`),
    kind: "summary",
    turn: event.through_turn,
    text: event.text,
  }),
};

const place = (event, key) => ({ key, seq: event.seq, turn: event.turn, at: event.at });

/** The tool row that `event` speaks of, with what it changed; none when the call lies in history not yet loaded. */
function changed(rows, event, change) {
  const row = rows.get(toolKey(event.tool_call_id));
  return row && { ...row, ...change(row) };
}

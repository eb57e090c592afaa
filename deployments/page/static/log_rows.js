// The log as rows: a pure fold of canonical events, in which every row has a key that never changes.

export const CANONICAL = new Set([
  "user_msg", "assistant_msg", "tool_call", "tool_result", "suspension", "resolution", "turn_ended",
]);

export const messageKey = (id) => `message:${id}`;
export const toolKey = (id) => `tool:${id}`;

/** `rows` (a Map by key) after `event`; the Map that was passed in is left as it was. */
export function applyEvent(rows, event) {
  const row = FOLDS[event.type](rows, event);
  return row ? new Map(rows).set(row.key, row) : rows;
}

/** The rows in the order of reading: a message that was queued behind a turn stands below that turn. */
export function inOrder(rows) {
  return [...rows.values()].sort((a, b) => a.turn - b.turn || a.seq - b.seq);
}

const FOLDS = {
  user_msg: (_, event) => ({
    ...place(event, event.client_id ? `user:${event.client_id}` : `user:${event.seq}`),
    kind: "user",
    text: textOf(event.content, "text"),
  }),

  assistant_msg: (_, event) => {
    const row = {
      ...place(event, messageKey(event.message_id)),
      kind: "assistant",
      text: textOf(event.content, "text"),
      thinking: textOf(event.content, "thinking"),
      html: event.html ?? null,
      status: event.status,
      stopReason: event.stop_reason,
      model: event.model,
      tokens: event.usage?.output_tokens ?? null,
    };
    // A message of nothing but tool calls has no row of its own: its cards follow.
    return row.text || row.thinking || row.status !== "completed" ? row : null;
  },

  tool_call: (_, event) => ({
    ...place(event, toolKey(event.tool_call_id)),
    kind: "tool",
    toolCallId: event.tool_call_id,
    name: event.name,
    executor: event.executor,
    arguments: event.arguments,
    status: "running",
    suspension: null,
    resolution: null,
    progress: null,
    result: null,
  }),

  tool_result: (rows, event) =>
    changed(rows, event, () => ({
      status: event.status,
      result: resultText(event.content),
      suspension: null,
      progress: null,
    })),

  suspension: (rows, event) =>
    changed(rows, event, () => ({
      status: "waiting",
      suspension: { kind: event.kind, prompt: event.prompt, expiresAt: event.expires_at },
    })),

  resolution: (rows, event) =>
    changed(rows, event, (row) => ({
      status: "running",
      suspension: null,
      resolution: { decision: event.decision, reason: event.reason, answer: event.answer, by: event.principal },
      arguments: event.arguments ?? row.arguments,
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
};

const place = (event, key) => ({ key, seq: event.seq, turn: event.turn, at: event.at });

/** The tool row that `event` speaks of, with what it changed; none when the call lies in history not yet loaded. */
function changed(rows, event, change) {
  const row = rows.get(toolKey(event.tool_call_id));
  return row && { ...row, ...change(row) };
}

function textOf(content, type) {
  if (typeof content === "string") return type === "text" ? content : "";
  const blocks = content.filter((block) => block.type === type);
  return blocks.map((block) => block[type] ?? block.text ?? "").join("\n\n");
}

function resultText(content) {
  if (typeof content === "string") return content;
  return content.map((block) => (block.type === "text" ? block.text : `[${block.type}]`)).join("\n");
}

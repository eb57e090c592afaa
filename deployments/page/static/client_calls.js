// Runs the waiting calls of tools that were added to the page, each once in this browser, and sends what came of them.

import * as api from "./api.js";
import { delayBefore } from "./backoff.js";

/** What the service takes as a reason. */
const LONGEST_REASON = 4000;

export class ClientCalls {
  #tools;
  #begun = new Set();

  constructor(tools) {
    this.#tools = tools;
  }

  /** Begins what waits in an open conversation and has not been begun by this page. */
  look({ id, meta, state }) {
    if (!meta || meta.parent) return;
    for (const row of state.rows.values()) {
      const run = row.suspension?.kind === "client_exec" && this.#tools.added(row.name);
      const key = `${id} ${row.toolCallId}`;
      if (!run || this.#begun.has(key)) continue;
      this.#begun.add(key);
      exclusively(`raylogue.call ${key}`, () => execute(id, row, run));
    }
  }
}

/** Another tab may have executed it while this one waited for its turn. */
async function execute(conversationId, { toolCallId, arguments: values, suspension }, run) {
  const waiting = await patiently(() => api.one(conversationId)).catch(() => null); // it may have been deleted
  if (waiting?.pending[toolCallId]?.kind !== "client_exec") return;
  const outcome = await outcomeOf(() => run(values, { toolCallId, conversationId }));
  const about = { tool_call_id: toolCallId, ...(suspension.argumentsHash && { arguments_hash: suspension.argumentsHash }) };
  try {
    await patiently(() => api.resolve(conversationId, { ...about, ...outcome }));
  } catch (error) {
    if (error.code === "stale_resolution") return; // another client was faster
    const reason = `the result was not taken: ${error.message}`.slice(0, LONGEST_REASON);
    await api.resolve(conversationId, { ...about, decision: "reject", reason }).catch(() => {});
  }
}

async function outcomeOf(run) {
  try {
    const answer = await run();
    return { decision: "respond", answer: answer ?? "Done." };
  } catch (error) {
    return { decision: "reject", reason: String(error?.message ?? error).slice(0, LONGEST_REASON) };
  }
}

/** Tries until the service has answered; throws what is final. */
async function patiently(request) {
  for (let attempt = 0; ; attempt++) {
    try {
      return await request();
    } catch (error) {
      if (api.isFinal(error)) throw error;
      await new Promise((resolve) => setTimeout(resolve, delayBefore(attempt, error.retryAfter ?? 0)));
    }
  }
}

/** One tab of this browser at a time; without a secure origin the browser has no locks. */
const exclusively = (name, task) => (navigator.locks ? navigator.locks.request(name, task) : task());
